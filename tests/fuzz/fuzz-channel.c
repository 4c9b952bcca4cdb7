/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer that says what it likes on a channel, with real descriptors on a real socket: the permit
 * table alone decides what reaches a handler, the first breach ends the channel and is told once,
 * and no descriptor is left behind.
 *
 * The input is a list of frames: four bytes (how, type, state, length) and the payload. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "proto/channel.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES_MAX 8
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What is odd about a frame: bits of its first byte. */
enum { UNSEALED = 1, LIES = 2, EXTRA = 4, TWO_EXTRA = 8, NOT_A_FRAME = 16, SHORT = 32 };

enum { PLAIN = 1, PAYLOAD, OPTIONAL, CARRIES, REFUSED, UNKNOWN, TYPES };

struct world {
	unsigned handled, gone;
	int gone_r;
	const uint8_t *payload; /* of the frame under way */
	size_t size;
};

static int on_frame(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct world *w = userdata;

	w->handled++;
	assert(m->size == w->size &&
		(m->size == 0 || memcmp(m->payload, w->payload, m->size) == 0));
	assert(m->frame.type != PAYLOAD || m->size > 0);
	assert(m->frame.type == PAYLOAD || m->frame.type == OPTIONAL || m->size == 0);
	assert(m->fd < 0 || m->frame.type == CARRIES);
	if (m->fd >= 0)
		closefd(take_fd(&m->fd));
	return m->frame.type == REFUSED ? -EBADMSG : 0;
}

static const struct channel_permit permits[] = {
	{ PLAIN, 1u << 0 | 1u << 1, .handler = on_frame },
	{ PAYLOAD, 1u << 1, .payload = true, .handler = on_frame },
	{ OPTIONAL, 1u << 0 | 1u << 1, .payload = true, .payload_optional = true,
		.handler = on_frame },
	{ CARRIES, 1u << 0, .fd = true, .handler = on_frame },
	{ REFUSED, 1u << 0 | 1u << 1, .handler = on_frame },
};

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct world *w = userdata;

	assert(why || r == 0);
	w->gone++;
	w->gone_r = r;
}

/* By the table's words, without its reader. */
static bool is_permitted(uint8_t how, int type, unsigned state, size_t size)
{
	bool extra = how & (EXTRA | TWO_EXTRA);

	if (how & (NOT_A_FRAME | SHORT) || (size > 0 && how & (UNSEALED | LIES)))
		return false;
	if (extra && (type != CARRIES || how & TWO_EXTRA))
		return false;
	switch (type) {
	case PLAIN:
	case REFUSED:
		return size == 0;
	case PAYLOAD:
		return size > 0 && state == 1;
	case OPTIONAL:
		return true;
	case CARRIES:
		return size == 0 && state == 0;
	default:
		return false;
	}
}

static int memfd_of(const uint8_t *data, size_t size, bool sealed)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
		(sealed && fcntl(fd, F_ADD_SEALS, SEALS) < 0))
		abort();
	return fd;
}

static void send_frame(int fd, uint8_t how, int type, const uint8_t *payload, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = {};
	uint8_t header[FRAME_SIZE];
	struct iovec iov = { header, how & SHORT ? FRAME_SIZE - 1 : FRAME_SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3], n = 0;

	frame_build(
		&(struct frame){ .type = (uint16_t)type, .size = size + (size > 0 && how & LIES) },
		header);
	header[0] ^= (how & NOT_A_FRAME) != 0;
	if (size > 0)
		fds[n++] = memfd_of(payload, size, !(how & UNSEALED));
	for (int extra = (how & TWO_EXTRA) ? 2 : (how & EXTRA) ? 1 : 0; extra > 0; extra--)
		fds[n++] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (n > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	}
	(void)!sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n > 0)
		closefd(fds[--n]);
}

static int lowest_free(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 3);

	closefd(fd);
	return fd;
}

/* One frame, and what must come of it. False: the channel has ended. */
static bool step(sd_event *event, struct channel *ch, int fd, struct world *w, const uint8_t *at)
{
	int type = at[1] % TYPES;
	bool permitted = is_permitted(at[0], type, at[2] % 2, at[3]);
	unsigned handled = w->handled;

	channel_set_state(ch, at[2] % 2);
	w->payload = at + 4;
	w->size = at[3];
	send_frame(fd, at[0], type, at + 4, at[3]);
	while (sd_event_run(event, 0) > 0)
		;
	assert(w->handled == handled + permitted);
	assert((w->gone > 0) == (!permitted || type == REFUSED));
	assert(w->gone == 0 || w->gone_r < 0);
	return w->gone == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sd_event *event;
	struct world w = {};
	struct channel *ch;
	int fds[2], before;
	bool more = true;

	if (!event && sd_event_new(&event) < 0)
		abort();
	before = lowest_free();
	if (chanio_pair(fds) < 0 ||
		channel_open(event, fds[1], permits, countof(permits), on_gone, &w, &ch) < 0)
		abort();
	for (int i = 0; i < FRAMES_MAX && more && size >= 4 && size - 4 >= data[3]; i++) {
		size_t n = 4u + data[3];

		more = step(event, ch, fds[0], &w, data);
		data += n;
		size -= n;
	}
	closefd(fds[0]);
	while (sd_event_run(event, 0) > 0)
		;
	assert(w.gone == 1); /* a hang-up at the latest, and never twice */
	ch = channel_close(ch);
	assert(lowest_free() == before);
	return 0;
}
