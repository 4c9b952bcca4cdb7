/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In: the descriptors are taken before anything is judged, so that none is lost. Then the
 * permits say which type may come, in which state, with a payload or a descriptor or without.
 * The first frame that breaks them ends the channel, and `gone` is called, once. A handler
 * borrows its message: the map and a descriptor that it has not taken go when it returns.
 *
 * Out: at once, or behind what waits already, in a queue of QUEUE_MAX frames that is sent when
 * the socket has room. A full queue is the sender's error: nothing is dropped in silence. A handler
 * may close its own channel; `handling` puts the freeing off until no handler runs. */
#include "proto/channel.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

#include "proto/chanio.h"

#define QUEUE_MAX 64
#define AT_ONCE   16 /* frames handled per wake-up: other peers want their turn */

struct queued {
	struct chanio_out out;
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

static void handle(struct channel *ch, struct chanio_in *in)
{
	struct channel_message m;
	const struct channel_permit *p;
	const char *why;
	int r = chanio_open(in, &m);

	ch->peer = in->sender;
	if (r < 0) {
		chanio_close(&m);
		end(ch, r, "a payload that is not sealed or not of its size");
		return;
	}
	p = find_permit(ch, &m);
	why = violation(ch, p, &m);
	r = why ? -EBADMSG : p->handler(ch, &m, ch->userdata);
	chanio_close(&m);
	if (r < 0)
		end(ch, r, why ? why : "a frame whose content is against the rules");
}

static int flush_queue(struct channel *ch)
{
	while (ch->queue) {
		struct queued *q = ch->queue;
		int r = chanio_send(ch->fd, &q->out);

		if (r < 0)
			return r;
		ch->queue = q->next;
		if (!ch->queue)
			ch->queue_tail = &ch->queue;
		ch->n_queued--;
		chanio_drop_out(&q->out);
		free(q);
	}
	return sd_event_source_set_io_events(ch->source, EPOLLIN);
}

static void read_some(struct channel *ch)
{
	for (int i = 0; i < AT_ONCE && !ch->closed && ch->fd >= 0; i++) {
		struct chanio_in in;
		int r = chanio_receive(ch->fd, &in);

		if (r > 0)
			handle(ch, &in);
		else if (r != -EAGAIN)
			end(ch, r, "bytes that are no frame");
		chanio_drop_in(&in);
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
		chanio_drop_out(&q->out);
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

/* Whoever still has the other end is alive, so the number is its own when we look. */
int channel_peer(const struct channel *ch, pid_t *ret_pid)
{
	_cleanup_(closep) int fd = ch->peer > 0 ? pidfd_open(ch->peer, 0) : -1;
	struct pollfd end = { .fd = ch->fd };

	if (fd < 0 || poll(&end, 1, 0) < 0 || end.revents & (POLLHUP | POLLERR | POLLNVAL))
		return -1;
	*ret_pid = ch->peer;
	return take_fd(&fd);
}

unsigned channel_room(const struct channel *ch)
{
	return QUEUE_MAX - (unsigned)ch->n_queued;
}

static int enqueue(struct channel *ch, const struct chanio_out *q)
{
	struct queued *copy;

	if (channel_room(ch) == 0)
		return -ENOBUFS;
	copy = xcalloc(1, sizeof(*copy));
	copy->out = *q;
	*ch->queue_tail = copy;
	ch->queue_tail = &copy->next;
	ch->n_queued++;
	return sd_event_source_set_io_events(ch->source, EPOLLIN | EPOLLOUT);
}

int channel_send(
	struct channel *ch, const struct frame *f, const void *payload, size_t size, int extra_fd)
{
	struct chanio_out q = {};
	int r;

	if (ch->fd < 0)
		return -EPIPE;
	r = chanio_pack(f, payload, size, extra_fd, &q);
	if (r < 0)
		return r;
	r = ch->queue ? -EAGAIN : chanio_send(ch->fd, &q);
	if (r == -EAGAIN) {
		r = enqueue(ch, &q);
		if (r >= 0)
			return 0;
	}
	chanio_drop_out(&q);
	return r;
}
