/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/nfsock.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#define RECEIVE_TRIES 16
#define RECEIVE_SIZE  ((size_t)256 * 1024)
#define QUEUE_MAX     (64 * 1024 * 1024)
#define ERRNO_LAST    4095 /* include/linux/err.h */

struct nfsock {
	struct mnl_socket *nl;
	uint32_t seq;
	uint8_t buffer[RECEIVE_SIZE];
};

int nfsock_open(struct nfsock **ret)
{
	struct nfsock *s = xcalloc(1, sizeof(*s));
	const int size = QUEUE_MAX, on = 1;
	int fd;

	s->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		nfsock_close(s);
		return r;
	}
	fd = mnl_socket_get_fd(s->nl);
	/* A batch goes in one piece, and thousands of refusals may come back. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(
		fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)); /* answers without our bytes */
	*ret = s;
	return 0;
}

struct nfsock *nfsock_close(struct nfsock *s)
{
	if (s) {
		if (s->nl)
			(void)mnl_socket_close(s->nl);
		free(s);
	}
	return NULL;
}

uint32_t nfsock_port(const struct nfsock *s)
{
	return mnl_socket_get_portid(s->nl);
}

uint32_t nfsock_next_seq(struct nfsock *s)
{
	return ++s->seq;
}

static int send_all(struct nfsock *s, const void *data, size_t size)
{
	ssize_t n;

	do
		n = mnl_socket_sendto(s->nl, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The kernel has done its work within the send: all answers are in the queue. They stay there when
 * they can't be had for want of memory, and without them nobody knows what is in force. */
static ssize_t receive(struct nfsock *s, int flags)
{
	ssize_t n;

	for (int i = 0; i < RECEIVE_TRIES; i++) {
		n = recv(mnl_socket_get_fd(s->nl), s->buffer, sizeof(s->buffer), flags);
		if (n >= 0 || errno == EAGAIN)
			break;
	}
	return n;
}

bool nfsock_is_whole(const struct nlmsghdr *m, int left)
{
	return mnl_nlmsg_ok(m, left) && m->nlmsg_len <= (uint32_t)left &&
	       MNL_ALIGN(m->nlmsg_len) <= (uint32_t)left;
}

static int error_of(const struct nlmsghdr *m)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

	if (mnl_nlmsg_get_payload_len(m) < sizeof(*e) || e->error > 0 || e->error < -ERRNO_LAST)
		return -EPROTO;
	return e->error;
}

void nfsock_read_answers(const void *data, size_t size, struct nfsock_answers *a)
{
	int left = (int)size;

	for (const struct nlmsghdr *m = data; nfsock_is_whole(m, left);
		m = mnl_nlmsg_next(m, &left)) {
		int error;

		if (m->nlmsg_type != NLMSG_ERROR)
			continue;
		error = error_of(m);
		if (error == 0) {
			a->acknowledged = a->acknowledged || m->nlmsg_seq == a->last_seq;
			continue;
		}
		if (a->error == 0)
			a->error = error;
		if (a->on_error)
			a->on_error(m->nlmsg_seq, -error, a->userdata);
	}
}

int nfsock_talk(struct nfsock *s, const void *data, size_t size, uint32_t last_seq,
	void (*on_error)(uint32_t seq, int errnum, void *userdata), void *userdata)
{
	struct nfsock_answers a = {
		.last_seq = last_seq, .on_error = on_error, .userdata = userdata
	};
	int r = send_all(s, data, size);
	ssize_t n;

	if (r < 0)
		return r;
	while ((n = receive(s, MSG_DONTWAIT)) > 0)
		nfsock_read_answers(s->buffer, (size_t)n, &a);
	if (a.error == 0 && n < 0 && errno != EAGAIN)
		return -errno;
	return a.error == 0 && !a.acknowledged ? -EPROTO : a.error;
}

void nfsock_read_dump(const void *data, size_t size, struct nfsock_reading *d)
{
	int left = (int)size;

	for (const struct nlmsghdr *m = data; nfsock_is_whole(m, left);
		m = mnl_nlmsg_next(m, &left)) {
		if (m->nlmsg_seq != d->seq)
			continue; /* an answer that nobody waits for any more */
		d->interrupted = d->interrupted || (m->nlmsg_flags & NLM_F_DUMP_INTR);
		if (m->nlmsg_type == NLMSG_DONE) {
			d->done = true;
		} else if (m->nlmsg_type == NLMSG_ERROR) {
			d->error = error_of(m);
			d->done = true;
		} else {
			d->on_message(m, d->userdata);
		}
	}
}

int nfsock_dump(struct nfsock *s, const struct nlmsghdr *request,
	void (*on_message)(const struct nlmsghdr *m, void *userdata), void *userdata)
{
	struct nfsock_reading d = {
		.seq = request->nlmsg_seq, .on_message = on_message, .userdata = userdata
	};
	int r = send_all(s, request, request->nlmsg_len);

	while (r == 0 && !d.done) {
		ssize_t n = receive(s, 0);

		if (n < 0)
			return -errno;
		nfsock_read_dump(s->buffer, (size_t)n, &d);
		r = d.error;
	}
	return r < 0 ? r : d.interrupted ? -EINTR : 0;
}
