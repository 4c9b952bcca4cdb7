/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels over real socket pairs: what is permitted arrives whole; whatever is not ends the
 * channel, once, and leaks no descriptor.
 *
 * The world is a loop, our channel with a few permits, and the peer's bare end of the pair, on
 * which frames are sent as they should be or made by hand. ends_channel() does one act of a
 * peer's and counts: the channel has ended once, and as many descriptors are open as before. */
#include "proto/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/unit/tap.h"

enum { HELLO = 0x0701, DATA = 0x0702, GIFT = 0x0703, CLOSER = 0x0704, REFUSED = 0x0705 };

struct world {
	sd_event *event;
	struct channel *ch;
	int peer;
	int hellos, gifts, gone, gone_r;
	size_t size;
	uint8_t first, last;
};

static int on_hello(struct channel *ch, struct channel_message *m, void *userdata)
{
	((struct world *)userdata)->hellos++;
	channel_set_state(ch, 1);
	return 0;
}

static int on_data(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct world *w = userdata;

	w->size = m->size;
	w->first = ((const uint8_t *)m->payload)[0];
	w->last = ((const uint8_t *)m->payload)[m->size - 1];
	return 0;
}

static int on_gift(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct world *w = userdata;
	int fd = take_fd(&m->fd);

	w->gifts += fcntl(fd, F_GETFD) == FD_CLOEXEC;
	closefd(fd);
	return 0;
}

static int on_closer(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct world *w = userdata;

	w->ch = channel_close(w->ch);
	return 0;
}

static int on_refused(struct channel *ch, struct channel_message *m, void *userdata)
{
	return -EBADMSG;
}

static const struct channel_permit permits[] = {
	{ HELLO, 1u << 0, .handler = on_hello },
	{ DATA, 1u << 0 | 1u << 1, .payload = true, .handler = on_data },
	{ GIFT, 1u << 0 | 1u << 1, .fd = true, .handler = on_gift },
	{ CLOSER, 1u << 0 | 1u << 1, .handler = on_closer },
	{ REFUSED, 1u << 0 | 1u << 1, .handler = on_refused },
};

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct world *w = userdata;

	w->gone++;
	w->gone_r = r;
}

static void begin(struct world *w)
{
	int fds[2];

	*w = (struct world){ .peer = -1 };
	if (sd_event_new(&w->event) < 0 || chanio_pair(fds) < 0 ||
		channel_open(w->event, fds[0], permits, countof(permits), on_gone, w, &w->ch) < 0)
		abort();
	w->peer = fds[1];
}

static void turn(struct world *w)
{
	while (sd_event_run(w->event, 0) > 0)
		;
}

static void end(struct world *w)
{
	w->ch = channel_close(w->ch);
	w->peer = closefd(w->peer);
	sd_event_unref(w->event);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void send_type(struct world *w, uint16_t type, const void *payload, size_t size, int fd)
{
	if (chanio_send_sync(w->peer, &(struct frame){ .type = type }, payload, size, fd) < 0)
		abort();
	turn(w);
}

static void permitted(void)
{
	struct world w;
	size_t big = 5 << 20;
	uint8_t *payload = xcalloc(1, big);

	payload[0] = 7;
	payload[big - 1] = 9;
	begin(&w);
	send_type(&w, HELLO, NULL, 0, -1);
	TAP_EQ(w.hellos, 1, "a permitted frame arrives");
	TAP_EQ(channel_state(w.ch), 1, "and may change the state");
	send_type(&w, DATA, payload, big, -1);
	TAP_OK(w.size == big && w.first == 7 && w.last == 9,
		"5 MiB arrive whole: there is no size cliff");
	send_type(&w, GIFT, NULL, 0, STDERR_FILENO);
	TAP_EQ(w.gifts, 1, "a descriptor arrives, close-on-exec");
	TAP_EQ(w.gone, 0, "nothing was against the rules");
	w.peer = closefd(w.peer);
	turn(&w);
	TAP_OK(w.gone == 1 && w.gone_r == 0, "a hang-up is told once, as one");
	TAP_EQ(channel_send(w.ch, &(struct frame){ .type = HELLO }, NULL, 0, -1), -EPIPE,
		"nothing can be sent any more");
	end(&w);
	free(payload);
}

static void ends_channel(const char *what, void (*act)(struct world *w))
{
	struct world w;
	int before = open_fds();

	begin(&w);
	act(&w);
	turn(&w);
	TAP_OK(w.gone == 1 && w.gone_r < 0, "%s ends the channel, once", what);
	end(&w);
	TAP_EQ(open_fds(), before, "%s: no descriptor is left", what);
}

static void unknown_type(struct world *w)
{
	send_type(w, 0x0999, NULL, 0, -1);
}

static void out_of_turn(struct world *w)
{
	send_type(w, HELLO, NULL, 0, -1);
	send_type(w, HELLO, NULL, 0, -1);
}

static void payload_unasked(struct world *w)
{
	send_type(w, HELLO, "x", 1, -1);
}

static void payload_missing(struct world *w)
{
	send_type(w, DATA, NULL, 0, -1);
}

static void fd_unasked(struct world *w)
{
	send_type(w, HELLO, NULL, 0, STDERR_FILENO);
}

static void refused(struct world *w)
{
	send_type(w, REFUSED, NULL, 0, -1);
}

static void not_a_frame(struct world *w)
{
	if (send(w->peer, "rubbish", 7, 0) < 0)
		abort();
}

/* A frame by hand, with any descriptors. */
static void send_raw(struct world *w, uint64_t size, const int *fds, size_t n)
{
	uint8_t header[FRAME_SIZE];
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { header, sizeof(header) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	frame_build(&(struct frame){ .type = DATA, .size = size }, header);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(n * sizeof(int)) };
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (sendmsg(w->peer, &msg, 0) < 0)
		abort();
}

static int memfd(size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
		(seals && fcntl(fd, F_ADD_SEALS, seals) < 0))
		abort();
	return fd;
}

#define ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void unsealed(struct world *w)
{
	int fd = memfd(10, 0);

	send_raw(w, 10, &fd, 1);
	closefd(fd);
}

static void half_sealed(struct world *w)
{
	int fd = memfd(10, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);

	send_raw(w, 10, &fd, 1);
	closefd(fd);
}

static void size_mismatch(struct world *w)
{
	int fd = memfd(10, ALL);

	send_raw(w, 11, &fd, 1);
	closefd(fd);
}

static void no_memfd(struct world *w)
{
	send_raw(w, 10, (const int[]){ STDERR_FILENO }, 1);
}

static void too_many(struct world *w)
{
	int fd = memfd(10, ALL);

	send_raw(w, 10, (const int[]){ fd, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO }, 4);
	closefd(fd);
}

static void no_payload(struct world *w)
{
	uint8_t header[FRAME_SIZE];

	frame_build(&(struct frame){ .type = DATA, .size = 10 }, header);
	if (send(w->peer, header, sizeof(header), 0) < 0)
		abort();
}

static const struct {
	const char *what;
	void (*act)(struct world *w);
} violations[] = {
	{ "an unknown type", unknown_type },
	{ "a frame out of turn", out_of_turn },
	{ "a payload where none belongs", payload_unasked },
	{ "a missing payload", payload_missing },
	{ "a descriptor where none belongs", fd_unasked },
	{ "a handler's refusal", refused },
	{ "what is no frame", not_a_frame },
	{ "an unsealed payload", unsealed },
	{ "a payload that can still be written", half_sealed },
	{ "a payload of another size", size_mismatch },
	{ "a payload that is no memfd", no_memfd },
	{ "too many descriptors", too_many },
	{ "a size without a payload", no_payload },
};

/* None is left for what comes with a frame: with the payload, or behind it. */
static void out_of_descriptors(void)
{
	for (int left = 0; left < 2; left++) {
		struct world w;
		struct rlimit was, low;
		int fd = memfd(10, ALL), free_fd;

		begin(&w);
		if (chanio_send_sync(w.peer, &(struct frame){ .type = DATA }, "0123456789", 10,
			    left ? fd : -1) < 0)
			abort();
		free_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the lowest that is free */
		if (free_fd < 0 || getrlimit(RLIMIT_NOFILE, &was) < 0)
			abort();
		closefd(free_fd);
		low = (struct rlimit){ (rlim_t)(free_fd + left), was.rlim_max };
		if (setrlimit(RLIMIT_NOFILE, &low) < 0)
			abort();
		turn(&w);
		if (setrlimit(RLIMIT_NOFILE, &was) < 0)
			abort();
		TAP_OK(w.gone == 1 && w.gone_r == -EMFILE && channel_is_own_fault(w.gone_r),
			"with %d descriptors left, what can't be taken is nobody's violation",
			left);
		closefd(fd);
		end(&w);
	}
}

static void closing_inside(void)
{
	struct world w;

	begin(&w);
	send_type(&w, CLOSER, NULL, 0, -1);
	TAP_OK(!w.ch && w.gone == 0,
		"a handler may close its channel; nobody is told what it knows");
	end(&w);
}

static void queueing(void)
{
	struct world w;
	unsigned sent = 0, got = 0;
	struct frame f;
	int r;

	begin(&w);
	while ((r = channel_send(w.ch, &(struct frame){ .type = DATA, .id = sent }, "x", 1, -1)) ==
			0 &&
		sent < 100000)
		sent++;
	TAP_EQ(r, -ENOBUFS, "the queue is bounded: full after %u frames", sent);
	TAP_EQ(channel_room(w.ch), 0, "and says so");
	for (;;) {
		void *payload = NULL;

		turn(&w);
		r = chanio_recv_sync(w.peer, 0, &f, &payload, NULL);
		free(payload);
		if (r < 0)
			break;
		if (f.id != got)
			break;
		got++;
	}
	TAP_EQ(got, sent, "and all of it arrives, in order");
	TAP_OK(channel_room(w.ch) > 1, "there is room again");
	end(&w);
}

static void in_sync(void)
{
	struct world w;
	struct frame f;
	void *payload = NULL;
	int fd = -1;

	begin(&w);
	TAP_EQ(chanio_recv_sync(w.peer, 1, &f, &payload, &fd), -ETIMEDOUT, "a wait ends");
	if (channel_send(
		    w.ch, &(struct frame){ .type = DATA, .a = 42 }, "words", 5, STDERR_FILENO) < 0)
		abort();
	TAP_EQ(chanio_recv_sync(w.peer, 1000, &f, &payload, &fd), 0,
		"a frame is received without a loop");
	TAP_OK(f.a == 42 && f.size == 5 && memcmp(payload, "words", 5) == 0 && fd >= 0,
		"with all that it carries");
	closefd(fd);
	free(payload);
	w.ch = channel_close(w.ch);
	TAP_EQ(chanio_recv_sync(w.peer, 1000, &f, &payload, &fd), -ENODATA, "and a hang-up is one");
	end(&w);
}

int main(void)
{
	permitted();
	for (size_t i = 0; i < countof(violations); i++)
		ends_channel(violations[i].what, violations[i].act);
	out_of_descriptors();
	closing_inside();
	queueing();
	in_sync();
	return tap_done();
}
