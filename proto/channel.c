/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame is one datagram, a header of fixed size. Its payload comes beside it as a memfd with
 * seals: nobody can change or shrink it any more, so it is mapped and read where it lies.
 *
 * In: the descriptors are taken before anything is judged, so that none is lost. Then the
 * permits say which type may come, in which state, with a payload or a descriptor or without.
 * The first frame that breaks them ends the channel, and `gone` is called, once. A handler
 * borrows its message: the map and a descriptor that it has not taken go when it returns.
 *
 * Out: at once, or behind what waits already, in a queue of QUEUE_MAX frames that is sent when
 * the socket has room. A full queue is the sender's error: nothing is dropped in silence. The
 * *_sync functions do the same by poll(2), for processes without a loop, and know no permits. A
 * handler may close its own channel; `handling` puts the freeing off until no handler runs. */
#include "proto/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SEALS     (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define QUEUE_MAX 64
#define FDS_MAX   2  /* a payload and one extra */
#define AT_ONCE   16 /* frames handled per wake-up: other peers want their turn */

struct queued {
	uint8_t header[FRAME_SIZE];
	int fds[FDS_MAX];
	size_t n_fds;
	struct queued *next;
};

struct channel {
	sd_event_source *source;
	int fd;
	const struct channel_permit *permits;
	size_t n_permits;
	channel_gone gone;
	void *userdata;
	unsigned state;
	pid_t peer;
	struct queued *queue, **queue_tail;
	size_t n_queued;
	unsigned handling; /* depth: a close from within a handler is finished after it */
	bool closed;
};

int channel_pair(int ret_fds[static 2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return -errno;
	return 0;
}

/* --- one frame out --- */

static int seal(const void *payload, size_t size)
{
	_cleanup_(closep) int fd = memfd_create("hoody-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : write_all(fd, payload, size);

	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return take_fd(&fd);
}

static int send_now(int fd, const uint8_t *header, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { (void *)header, FRAME_SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n >= 0)
			return 0;
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

/* The frame with its payload sealed: @ret_fds are the caller's to close. */
static int pack(
	const struct frame *f, const void *payload, size_t size, int extra_fd, struct queued *ret)
{
	struct frame with_size = *f;

	if (size > FRAME_PAYLOAD_MAX)
		return -EMSGSIZE;
	with_size.size = size;
	frame_build(&with_size, ret->header);
	if (size > 0) {
		int fd = seal(payload, size);

		if (fd < 0)
			return fd;
		ret->fds[ret->n_fds++] = fd;
	}
	if (extra_fd >= 0) {
		int fd = fcntl(extra_fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			closefd(ret->n_fds ? ret->fds[0] : -1);
			return -errno;
		}
		ret->fds[ret->n_fds++] = fd;
	}
	return 0;
}

static void unpack(struct queued *q)
{
	for (size_t i = 0; i < q->n_fds; i++)
		closefd(q->fds[i]);
	q->n_fds = 0;
}

int channel_send_sync(int fd, const struct frame *f, const void *payload, size_t size, int extra_fd)
{
	struct queued q = {};
	int r = pack(f, payload, size, extra_fd, &q);

	if (r < 0)
		return r;
	for (;;) {
		r = send_now(fd, q.header, q.fds, q.n_fds);
		if (r != -EAGAIN)
			break;
		(void)poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1,
			-1); /* the send says what is wrong */
	}
	unpack(&q);
	return r;
}

/* --- one frame in --- */

struct received {
	struct frame frame;
	int fds[FDS_MAX];
	size_t n_fds;
	pid_t sender;
};

/* Descriptors are taken before anything is judged, so that none is lost. */
static void take_fds(struct msghdr *msg, struct received *in, bool *ret_too_many)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		const uint8_t *data = CMSG_DATA(c);

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&in->sender, data + offsetof(struct ucred, pid), sizeof(pid_t));
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(int), sizeof(fd));
			if (in->n_fds < FDS_MAX) {
				in->fds[in->n_fds++] = fd;
			} else {
				closefd(fd);
				*ret_too_many = true;
			}
		}
	}
}

/* There is room for more descriptors than are ever sent: when some are missing without that, there
 * was no number for them (scm_detach_fds, net/core/scm.c). */
static int judge_flags(const struct msghdr *msg, bool too_many)
{
	if (!too_many && (msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == MSG_CTRUNC)
		return -EMFILE;
	return too_many || (msg->msg_flags & MSG_TRUNC) ? -EBADMSG : 0;
}

/* 1: a frame; 0: hang-up; -EAGAIN; -EBADMSG: not a frame; -EMFILE: we have no descriptor for what
 * it carries. */
static int receive(int fd, struct received *ret)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	uint8_t header[FRAME_SIZE];
	struct iovec iov = { header, sizeof(header) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	bool too_many = false;
	int r;
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	*ret = (struct received){};
	if (n < 0)
		return errno == ECONNRESET ? 0 : errno == EINTR ? -EAGAIN : -errno;
	take_fds(&msg, ret, &too_many);
	if (n == 0 && ret->n_fds == 0)
		return 0;
	r = judge_flags(&msg, too_many);
	if (r < 0)
		return r;
	return frame_read(header, (size_t)n, &ret->frame) < 0 ? -EBADMSG : 1;
}

static void drop_fds(struct received *in)
{
	for (size_t i = 0; i < in->n_fds; i++)
		closefd(in->fds[i]);
	in->n_fds = 0;
}

/* Is this a memfd of that size that nobody can change any more? Only then may it be mapped: a file
 * that shrinks kills its reader. */
static int check_payload(int fd, uint64_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EBADMSG;
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size != size)
		return -EBADMSG;
	return 0;
}

/* Split the descriptors: the payload's comes first when there is one. */
static int open_message(struct received *in, struct channel_message *ret)
{
	size_t at = 0;

	*ret = (struct channel_message){ .frame = in->frame, .fd = -1 };
	if (in->frame.size > 0) {
		void *map;

		if (in->n_fds < 1 || check_payload(in->fds[0], in->frame.size) < 0)
			return -EBADMSG;
		map = mmap(NULL, in->frame.size, PROT_READ, MAP_PRIVATE, in->fds[0], 0);
		if (map == MAP_FAILED)
			return -errno;
		ret->payload = map;
		ret->size = in->frame.size;
		at = 1;
	}
	if (in->n_fds > at + 1)
		return -EBADMSG;
	if (in->n_fds == at + 1)
		ret->fd = take_fd(&in->fds[at]);
	return 0;
}

static void close_message(struct channel_message *m)
{
	if (m->payload)
		(void)munmap((void *)m->payload, m->size);
	m->payload = NULL;
	m->fd = closefd(m->fd);
}

static int copy_out(struct received *in, struct frame *ret, void **ret_payload, int *ret_fd)
{
	struct channel_message m;
	int r = open_message(in, &m);

	if (r >= 0) {
		*ret = m.frame;
		if (ret_payload) {
			*ret_payload = NULL;
			if (m.size > 0) {
				char *copy = xcalloc(1, m.size + 1);

				memcpy(copy, m.payload, m.size);
				*ret_payload = copy;
			}
		}
		if (ret_fd)
			*ret_fd = take_fd(&m.fd);
	}
	close_message(&m);
	return r;
}

int channel_recv_sync(int fd, int timeout_ms, struct frame *ret, void **ret_payload, int *ret_fd)
{
	struct received in;
	int r;

	for (;;) {
		r = poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, timeout_ms);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		r = receive(fd, &in);
		if (r != -EAGAIN)
			break;
	}
	if (r > 0)
		r = copy_out(&in, ret, ret_payload, ret_fd);
	else if (r == 0)
		r = -ENODATA;
	drop_fds(&in);
	return r;
}

/* --- the channel on a loop --- */

bool channel_is_own_fault(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOSPC;
}

static void end(struct channel *ch, int r, const char *why)
{
	channel_gone gone = ch->gone;

	if (channel_is_own_fault(r))
		why = strerror(-r);

	if (ch->closed || ch->fd < 0)
		return;
	ch->source = sd_event_source_disable_unref(ch->source);
	ch->fd = closefd(ch->fd);
	if (gone)
		gone(ch, r, why, ch->userdata);
}

static const struct channel_permit *find_permit(
	const struct channel *ch, const struct channel_message *m)
{
	for (size_t i = 0; i < ch->n_permits; i++)
		if (ch->permits[i].type == m->frame.type)
			return &ch->permits[i];
	return NULL;
}

static const char *violation(
	const struct channel *ch, const struct channel_permit *p, const struct channel_message *m)
{
	if (!p)
		return "a frame of a type that is not permitted";
	if (!(p->states & (1u << ch->state)))
		return "a frame out of turn";
	if (!p->payload && m->size > 0)
		return "a payload where none belongs";
	if (p->payload && !p->payload_optional && m->size == 0)
		return "a payload is missing";
	if (!p->fd && m->fd >= 0)
		return "a descriptor where none belongs";
	return NULL;
}

static void handle(struct channel *ch, struct received *in)
{
	struct channel_message m;
	const struct channel_permit *p;
	const char *why;
	int r = open_message(in, &m);

	ch->peer = in->sender;
	if (r < 0) {
		close_message(&m);
		end(ch, r, "a payload that is not sealed or not of its size");
		return;
	}
	p = find_permit(ch, &m);
	why = violation(ch, p, &m);
	r = why ? -EBADMSG : p->handler(ch, &m, ch->userdata);
	close_message(&m);
	if (r < 0)
		end(ch, r, why ? why : "a frame whose content is against the rules");
}

static int flush_queue(struct channel *ch)
{
	while (ch->queue) {
		struct queued *q = ch->queue;
		int r = send_now(ch->fd, q->header, q->fds, q->n_fds);

		if (r < 0)
			return r;
		ch->queue = q->next;
		if (!ch->queue)
			ch->queue_tail = &ch->queue;
		ch->n_queued--;
		unpack(q);
		free(q);
	}
	return sd_event_source_set_io_events(ch->source, EPOLLIN);
}

static void read_some(struct channel *ch)
{
	for (int i = 0; i < AT_ONCE && !ch->closed && ch->fd >= 0; i++) {
		struct received in;
		int r = receive(ch->fd, &in);

		if (r > 0)
			handle(ch, &in);
		else if (r != -EAGAIN)
			end(ch, r, "bytes that are no frame");
		drop_fds(&in);
		if (r == -EAGAIN)
			return;
	}
}

static void destroy(struct channel *ch)
{
	ch->source = sd_event_source_disable_unref(ch->source);
	ch->fd = closefd(ch->fd);
	while (ch->queue) {
		struct queued *q = ch->queue;

		ch->queue = q->next;
		unpack(q);
		free(q);
	}
	free(ch);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct channel *ch = userdata;

	ch->handling++;
	if (revents & EPOLLOUT) {
		int r = flush_queue(ch);

		if (r < 0 && r != -EAGAIN && r != -EPIPE)
			end(ch, r, "the socket failed");
	}
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_some(ch);
	ch->handling--;
	if (ch->closed)
		destroy(ch);
	return 0;
}

int channel_open(sd_event *event, int fd, const struct channel_permit *permits, size_t n,
	channel_gone gone, void *userdata, struct channel **ret)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	int r;

	*ch = (struct channel){
		.fd = fd, .permits = permits, .n_permits = n, .gone = gone, .userdata = userdata
	};
	ch->queue_tail = &ch->queue;
	r = sd_event_add_io(event, &ch->source, fd, EPOLLIN, on_io, ch);
	if (r < 0) {
		destroy(ch);
		return r;
	}
	*ret = ch;
	return 0;
}

struct channel *channel_close(struct channel *ch)
{
	if (!ch)
		return NULL;
	if (ch->handling > 0) {
		ch->closed = true;
		ch->gone = NULL;
		ch->source = sd_event_source_disable_unref(ch->source);
		ch->fd = closefd(ch->fd);
	} else {
		destroy(ch);
	}
	return NULL;
}

void channel_set_state(struct channel *ch, unsigned state)
{
	assert(state < CHANNEL_STATES_MAX);
	ch->state = state;
}

unsigned channel_state(const struct channel *ch)
{
	return ch->state;
}

int channel_fd(const struct channel *ch)
{
	return ch->fd;
}

pid_t channel_peer(const struct channel *ch)
{
	return ch->peer;
}

unsigned channel_room(const struct channel *ch)
{
	return QUEUE_MAX - (unsigned)ch->n_queued;
}

static int enqueue(struct channel *ch, const struct queued *q)
{
	struct queued *copy;

	if (channel_room(ch) == 0)
		return -ENOBUFS;
	copy = xcalloc(1, sizeof(*copy));
	*copy = *q;
	*ch->queue_tail = copy;
	ch->queue_tail = &copy->next;
	ch->n_queued++;
	return sd_event_source_set_io_events(ch->source, EPOLLIN | EPOLLOUT);
}

int channel_send(
	struct channel *ch, const struct frame *f, const void *payload, size_t size, int extra_fd)
{
	struct queued q = {};
	int r;

	if (ch->fd < 0)
		return -EPIPE;
	r = pack(f, payload, size, extra_fd, &q);
	if (r < 0)
		return r;
	r = ch->queue ? -EAGAIN : send_now(ch->fd, q.header, q.fds, q.n_fds);
	if (r == -EAGAIN) {
		r = enqueue(ch, &q);
		if (r >= 0)
			return 0;
	}
	unpack(&q);
	return r;
}
