/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A relay is a client's connection, the upstream that it is to reach, and two flows between
 * them. A flow holds what it has taken and not given yet, in a pipe (splice(2)) or, when the
 * upstream speaks TLS, in a buffer. It takes no more before all of that is given: so a slow
 * reader slows down the writer, and nothing else grows.
 *
 * First it waits for its upstream; then both flows are pumped for as long as bytes move, in
 * turns, so that the others have theirs; an end that one side has sent is passed to the other
 * when the flow is empty. When both ends are passed the relay is freed. A failure frees it with
 * a reset: to the client it must not look like an end. The set owns its relays, and stops
 * accepting while it has RELAYS_MAX. The bytes themselves are never looked at. */
#include "netns/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define RELAYS_MAX  2000 /* then no more are accepted until one ends */
#define BUFFER_SIZE (16 * 1024)
#define SPLICE_MAX  (64 * 1024) /* a pipe's */
#define ROUNDS_MAX  16          /* then the others have their turn */
#define PORT_DNS    53
#define KEEPALIVE_S 60
#define LINGER_US   (30 * 1000000ULL)
#define CLOSING_US  (3 * 1000000ULL)
#define ACCURACY_US 1000000

/* One direction: what has been taken and not been given yet lies in a pipe, or in a buffer. */
struct flow {
	int pipe[2];
	uint8_t *buffer;
	size_t begin, fill;
	bool ended; /* its source has */
	bool shut;  /* and its sink knows */
};

enum { UP, DOWN, FLOWS };

struct relay {
	struct relay_set *all;
	struct relay *prev, *next;
	int client;
	struct upstream *upstream;
	sd_event_source *of_client, *of_upstream, *again, *linger;
	bool answered; /* the bytes that came last were the upstream's */
	bool heard;    /* of it, since linger was last asked */
	uint32_t client_events, upstream_events;
	struct flow flow[FLOWS];
};

struct relay_set {
	sd_event *event;
	struct upstream_pool *upstreams;
	sd_event_source *accepting;
	uint32_t (*dns)(void *userdata);
	void *userdata;
	struct relay *first;
	size_t n;
};

/* --- its end --- */

static void flow_done(struct flow *f)
{
	f->pipe[0] = closefd(f->pipe[0]);
	f->pipe[1] = closefd(f->pipe[1]);
	free(f->buffer);
}

static void relay_free(struct relay *c)
{
	struct relay_set *s = c->all;

	c->of_client = sd_event_source_disable_unref(c->of_client);
	c->of_upstream = sd_event_source_disable_unref(c->of_upstream);
	c->again = sd_event_source_disable_unref(c->again);
	c->linger = sd_event_source_disable_unref(c->linger);
	c->upstream = upstream_close(c->upstream);
	closefd(c->client);
	flow_done(&c->flow[UP]);
	flow_done(&c->flow[DOWN]);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (s->n-- == RELAYS_MAX)
		(void)sd_event_source_set_enabled(s->accepting, SD_EVENT_ON);
	free(c);
}

/* The client sees a reset: its connection did not end, it failed (connect(2), AF_UNSPEC). */
static void relay_reset(struct relay *c)
{
	(void)connect(
		c->client, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr));
	relay_free(c);
}

/* --- moving bytes; each returns how many, 0 at the end, or a negative errno --- */

static ssize_t or_errno(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static ssize_t take(struct relay *c, int way)
{
	struct flow *f = &c->flow[way];
	int from = way == UP ? c->client : upstream_fd(c->upstream);
	ssize_t n;

	if (!f->buffer)
		return or_errno(splice(from, NULL, f->pipe[1], NULL, SPLICE_MAX,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	n = way == UP ? or_errno(recv(from, f->buffer, BUFFER_SIZE, MSG_DONTWAIT))
		      : upstream_recv(c->upstream, f->buffer, BUFFER_SIZE);
	f->begin = 0;
	return n;
}

static ssize_t give(struct relay *c, int way)
{
	struct flow *f = &c->flow[way];
	int to = way == UP ? upstream_fd(c->upstream) : c->client;
	ssize_t n;

	if (!f->buffer)
		return or_errno(splice(
			f->pipe[0], NULL, to, NULL, f->fill, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	n = way == UP ? upstream_send(c->upstream, f->buffer + f->begin, f->fill)
		      : or_errno(send(
				to, f->buffer + f->begin, f->fill, MSG_DONTWAIT | MSG_NOSIGNAL));
	f->begin += n > 0 ? (size_t)n : 0;
	return n;
}

/* What the client has not taken yet: here, or in the kernel. */
static bool is_behind(const struct relay *c)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	return c->flow[DOWN].fill > 0 ||
	       (getsockopt(c->client, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
		       (info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0));
}

static int arm_linger(struct relay *c)
{
	int r = sd_event_source_set_time_relative(c->linger, LINGER_US);

	c->heard = false;
	return r < 0 ? r : sd_event_source_set_enabled(c->linger, SD_EVENT_ONESHOT);
}

/* Whether that was all, nobody knows. */
static int on_linger(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct relay *c = userdata;

	if ((!c->heard && !is_behind(c)) || arm_linger(c) < 0)
		relay_reset(c);
	return 0;
}

/* TLS has no half-closed connections that proxies bear: the upstream hears nothing of the client's
 * end, and is given up when it has been silent for a while. A client that ends when it has had its
 * answer has closed, most likely: then for a short one, or connections that nobody has any more
 * would be as many as the proxy takes. */
static void linger(struct relay *c)
{
	c->heard = false;
	(void)sd_event_add_time_relative(c->all->event, &c->linger, CLOCK_MONOTONIC,
		c->answered ? CLOSING_US : LINGER_US, ACCURACY_US, on_linger, c);
}

static void shut(struct relay *c, int way)
{
	c->flow[way].shut = true;
	if (way == DOWN)
		(void)shutdown(c->client, SHUT_WR);
	else if (upstream_is_plain(c->upstream))
		(void)shutdown(upstream_fd(c->upstream), SHUT_WR);
	else
		linger(c);
}

/* Until neither side goes on, or for so many rounds. 1: there may be more; 0; a negative errno: one
 * side is gone. */
static int pump_flow(struct relay *c, int way)
{
	struct flow *f = &c->flow[way];

	for (int i = 0; i < ROUNDS_MAX; i++) {
		ssize_t n = 0;

		if (f->fill == 0 && f->ended)
			break;
		if (f->fill == 0) {
			n = take(c, way);
			if (n < 0)
				return n == -EAGAIN ? 0 : (int)n;
			f->ended = n == 0;
			f->fill = (size_t)n;
			if (n > 0)
				c->answered = way == DOWN;
			c->heard |= way == DOWN;
			continue;
		}
		n = give(c, way);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		f->fill -= (size_t)n;
	}
	if (f->fill == 0 && f->ended) {
		if (!f->shut)
			shut(c, way);
		return 0;
	}
	return 1;
}

/* Of one side: @from comes from it, @to goes there. When both ends of its connection have been shut
 * it would be reported as hung up over and over, also while nothing is asked of it. */
static int watch_side(
	sd_event_source *source, uint32_t *present, const struct flow *from, const struct flow *to)
{
	uint32_t wanted =
		(from->fill == 0 && !from->ended ? EPOLLIN : 0u) | (to->fill > 0 ? EPOLLOUT : 0u);
	int r = sd_event_source_set_enabled(
		source, wanted == 0 && to->shut ? SD_EVENT_OFF : SD_EVENT_ON);

	if (r < 0 || *present == wanted)
		return r;
	*present = wanted;
	return sd_event_source_set_io_events(source, wanted);
}

static int on_again(sd_event_source *source, void *userdata);

static int go_on_later(struct relay *c)
{
	if (!c->again)
		return sd_event_add_defer(c->all->event, &c->again, on_again, c);
	return sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT);
}

/* False: it is gone. */
static bool pump(struct relay *c)
{
	struct flow *up = &c->flow[UP], *down = &c->flow[DOWN];
	int r_up = pump_flow(c, UP), r_down = r_up < 0 ? r_up : pump_flow(c, DOWN), r = 0;

	if (r_down < 0) {
		relay_reset(c);
		return false;
	}
	if (up->shut && down->shut) {
		relay_free(c);
		return false;
	}
	if (r_up > 0 || r_down > 0)
		r = go_on_later(c);
	if (r >= 0)
		r = watch_side(c->of_client, &c->client_events, up, down);
	if (r >= 0)
		r = watch_side(c->of_upstream, &c->upstream_events, down, up);
	if (r < 0)
		relay_reset(c);
	return r >= 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
	(void)pump(userdata);
	return 0;
}

static int on_bytes(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	if (revents & EPOLLERR)
		relay_reset(userdata);
	else
		(void)pump(userdata);
	return 0;
}

/* --- its beginning --- */

static int prepare(struct relay *c)
{
	for (int way = 0; way < FLOWS; way++) {
		struct flow *f = &c->flow[way];

		if (!upstream_is_plain(c->upstream))
			f->buffer = xcalloc(1, BUFFER_SIZE);
		else if (pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

static void on_ready(struct upstream *u, int r, void *userdata)
{
	struct relay *c = userdata;

	if (r >= 0)
		r = prepare(c);
	c->of_client = sd_event_source_disable_unref(c->of_client);
	c->client_events = c->upstream_events = EPOLLIN;
	if (r >= 0)
		r = sd_event_add_io(c->all->event, &c->of_client, c->client, EPOLLIN, on_bytes, c);
	if (r >= 0)
		r = sd_event_add_io(
			c->all->event, &c->of_upstream, upstream_fd(u), EPOLLIN, on_bytes, c);
	if (r < 0)
		relay_reset(c);
	else
		(void)pump(c);
}

/* It does not wait until there is an upstream. */
static int on_impatience(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	relay_free(userdata);
	return 0;
}

static void begin(struct relay_set *s, int client, uint32_t address, uint16_t port)
{
	struct relay *c = xcalloc(1, sizeof(*c));

	c->all = s;
	c->client = client;
	for (int way = 0; way < FLOWS; way++)
		c->flow[way].pipe[0] = c->flow[way].pipe[1] = -1;
	c->next = s->first;
	if (c->next)
		c->next->prev = c;
	s->first = c;
	if (++s->n == RELAYS_MAX)
		(void)sd_event_source_set_enabled(s->accepting, SD_EVENT_OFF);
	c->upstream = upstream_open(s->upstreams, address, port, on_ready, c);
	if (sd_event_add_io(s->event, &c->of_client, client, 0, on_impatience, c) < 0)
		relay_reset(c);
}

static void keep_alive(int fd)
{
	const int on = 1, idle = KEEPALIVE_S;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* A process of the host can come by itself, and has no business here. */
static bool is_diverted(const struct sockaddr_in *to)
{
	return to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
}

/* A transparent socket's own address is the one that the client asked for (tproxy, ip(7)). */
static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct relay_set *s = userdata;
	struct sockaddr_in to = {};
	socklen_t size = sizeof(to);
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint16_t port;

	if (client < 0)
		return 0;
	if (getsockname(client, (struct sockaddr *)&to, &size) < 0 || !is_diverted(&to)) {
		closefd(client);
		return 0;
	}
	keep_alive(client);
	port = ntohs(to.sin_port);
	begin(s, client, port == PORT_DNS ? s->dns(s->userdata) : ntohl(to.sin_addr.s_addr), port);
	return 0;
}

int relay_set_new(sd_event *event, struct upstream_pool *upstreams, int listener,
	uint32_t (*dns)(void *userdata), void *userdata, struct relay_set **ret)
{
	struct relay_set *s = xcalloc(1, sizeof(*s));
	int r;

	s->event = event;
	s->upstreams = upstreams;
	s->dns = dns;
	s->userdata = userdata;
	r = sd_event_add_io(event, &s->accepting, listener, EPOLLIN, on_accept, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void relay_set_reset(struct relay_set *s)
{
	while (s->first)
		relay_reset(s->first);
}

size_t relay_set_count(const struct relay_set *s)
{
	return s->n;
}
