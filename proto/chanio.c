/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame is one datagram, a header of fixed size. Its payload comes beside it as a memfd with
 * seals: nobody can change or shrink it any more, so it is mapped and read where it lies. The
 * *_sync functions are the others with poll(2). */
#include "proto/chanio.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int chanio_pair(int ret_fds[static 2])
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

int chanio_send(int fd, const struct chanio_out *q)
{
	union {
		char bytes[CMSG_SPACE(CHANIO_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { (void *)q->header, FRAME_SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (q->n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(q->n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(q->n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), q->fds, q->n_fds * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n >= 0)
			return 0;
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

int chanio_pack(const struct frame *f, const void *payload, size_t size, int extra_fd,
	struct chanio_out *ret)
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

void chanio_drop_out(struct chanio_out *q)
{
	for (size_t i = 0; i < q->n_fds; i++)
		closefd(q->fds[i]);
	q->n_fds = 0;
}

int chanio_send_sync(int fd, const struct frame *f, const void *payload, size_t size, int extra_fd)
{
	struct chanio_out q = {};
	int r = chanio_pack(f, payload, size, extra_fd, &q);

	if (r < 0)
		return r;
	for (;;) {
		r = chanio_send(fd, &q);
		if (r != -EAGAIN)
			break;
		(void)poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1,
			-1); /* the send says what is wrong */
	}
	chanio_drop_out(&q);
	return r;
}

/* --- one frame in --- */

/* Descriptors are taken before anything is judged, so that none is lost. */
static void take_fds(struct msghdr *msg, struct chanio_in *in, bool *ret_too_many)
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
			if (in->n_fds < CHANIO_FDS) {
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

int chanio_receive(int fd, struct chanio_in *ret)
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

	*ret = (struct chanio_in){};
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

void chanio_drop_in(struct chanio_in *in)
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

int chanio_open(struct chanio_in *in, struct channel_message *ret)
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

void chanio_close(struct channel_message *m)
{
	if (m->payload)
		(void)munmap((void *)m->payload, m->size);
	m->payload = NULL;
	m->fd = closefd(m->fd);
}

static int copy_out(struct chanio_in *in, struct frame *ret, void **ret_payload, int *ret_fd)
{
	struct channel_message m;
	int r = chanio_open(in, &m);

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
	chanio_close(&m);
	return r;
}

int chanio_recv_sync(int fd, int timeout_ms, struct frame *ret, void **ret_payload, int *ret_fd)
{
	struct chanio_in in;
	int r;

	for (;;) {
		r = poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, timeout_ms);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		r = chanio_receive(fd, &in);
		if (r != -EAGAIN)
			break;
	}
	if (r > 0)
		r = copy_out(&in, ret, ret_payload, ret_fd);
	else if (r == 0)
		r = -ENODATA;
	chanio_drop_in(&in);
	return r;
}
