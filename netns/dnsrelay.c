/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's DNS queries come as datagrams and go to a server over one TCP connection through
 * the upstream proxy: CLOSED until there is a query, OPENING, then OPEN. The table of queries
 * (netns/dnstable.h) owns what is not answered yet; `out` and `in` are the connection's bytes on
 * their way, each message behind its length.
 *
 * A connection that fails leads to the next server, to which all that is open is sent again.
 * There are servers that answer one query and close; so what TRIES_MAX connections have had that
 * brought no answer at all fails towards the client. One timer is our patience: with open
 * queries it gives up a connection that brings no answer, without any it closes an idle one.
 * Nothing is cached, and nothing resolved: an answer goes back with the client's own id, from
 * the address that the client asked. What finds no room is dropped, as datagrams are. */
#include "netns/dnsrelay.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "netns/dnsmsg.h"
#include "netns/dnstable.h"

#define QUERY_MAX   2048
#define TRIES_MAX   3
#define OUT_MAX     (64 * 1024)
#define IN_MAX      (2 + DNSMSG_MAX)
#define PATIENCE_US (8 * 1000000ULL)
#define IDLE_US     (30 * 1000000ULL)
#define ACCURACY_US 100000
#define PORT_DNS    53
#define PER_TURN    32

enum state { CLOSED, OPENING, OPEN };

struct dnsrelay {
	sd_event *event;
	struct upstream_pool *upstreams;
	int socket;
	sd_event_source *queries_in, *answers_in, *patience;
	uint32_t server[DNSRELAY_SERVERS_MAX];
	size_t n_servers, current;
	struct dnstable queries;
	enum state state;
	struct upstream *upstream;
	uint32_t events;
	bool heard;    /* an answer, since patience was last asked */
	bool answered; /* one by this connection */
	uint8_t out[OUT_MAX], in[IN_MAX];
	size_t n_out, n_in;
};

static void open_connection(struct dnsrelay *d);

/* --- to the client --- */

/* From the address that it asked: a transparent socket may (ip(7), IP_PKTINFO). */
static void send_to_client(
	struct dnsrelay *d, const struct dnstable_query *q, const void *m, size_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {};
	struct iovec iov = { (void *)(uintptr_t)m, n };
	struct msghdr msg = { .msg_name = (void *)(uintptr_t)&q->client,
		.msg_namelen = sizeof(q->client),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct in_pktinfo from = { .ipi_spec_dst = q->asked };

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	(void)!sendmsg(d->socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL); /* lost, like any datagram */
}

static void fail_query(struct dnsrelay *d, struct dnstable_query *q)
{
	size_t n = dnstable_fail(q);

	if (n > 0)
		send_to_client(d, q, q->message, n);
	dnstable_forget(&d->queries, q);
}

static void answer(uint8_t *m, size_t n, void *userdata)
{
	struct dnsrelay *d = userdata;
	struct dnstable_query *q = dnstable_find(&d->queries, m, n);

	if (!q)
		return;
	n = dnstable_give_back(q, m, n);
	if (n > 0)
		send_to_client(d, q, m, n);
	dnstable_forget(&d->queries, q);
	d->heard = d->answered = true;
}

/* --- the connection --- */

static void close_connection(struct dnsrelay *d)
{
	d->answers_in = sd_event_source_disable_unref(d->answers_in);
	d->upstream = upstream_close(d->upstream);
	d->state = CLOSED;
	d->n_in = d->n_out = 0;
}

/* The next server is asked what this one has not answered. */
static void fail_connection(struct dnsrelay *d)
{
	close_connection(d);
	d->current = (d->current + 1) % d->n_servers;
	for (size_t i = 0; i < DNSTABLE_MAX; i++) {
		struct dnstable_query *q = &d->queries.at[i];

		if (q->message && !d->answered && ++q->tries >= TRIES_MAX)
			fail_query(d, q);
	}
	if (d->queries.n > 0)
		open_connection(d);
}

/* A server that has finished with us, as servers do with idle clients. */
static void end_connection(struct dnsrelay *d)
{
	if (d->queries.n > 0)
		fail_connection(d);
	else
		close_connection(d);
}

static void put_out(struct dnsrelay *d, struct dnstable_query *q)
{
	if (d->n_out + 2 + q->n > OUT_MAX) {
		dnstable_forget(&d->queries, q);
		return;
	}
	d->out[d->n_out] = (uint8_t)(q->n >> 8);
	d->out[d->n_out + 1] = (uint8_t)q->n;
	memcpy(d->out + d->n_out + 2, q->message, q->n);
	d->n_out += 2 + q->n;
}

static int flush(struct dnsrelay *d)
{
	while (d->n_out > 0) {
		ssize_t n = upstream_send(d->upstream, d->out, d->n_out);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		d->n_out -= (size_t)n;
		memmove(d->out, d->out + n, d->n_out);
	}
	return 0;
}

/* Until there is no more: TLS may have bytes that the descriptor doesn't tell of. */
static int receive(struct dnsrelay *d)
{
	for (;;) {
		ssize_t n = upstream_recv(d->upstream, d->in + d->n_in, IN_MAX - d->n_in);

		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		d->n_in += (size_t)n;
		n = (ssize_t)dnsmsg_each(d->in, d->n_in, answer, d);
		d->n_in -= (size_t)n;
		memmove(d->in, d->in + n, d->n_in);
	}
}

static int watch_connection(struct dnsrelay *d)
{
	uint32_t wanted = EPOLLIN | (d->n_out > 0 ? EPOLLOUT : 0u);

	if (d->events == wanted)
		return 0;
	d->events = wanted;
	return sd_event_source_set_io_events(d->answers_in, wanted);
}

static void go_on(struct dnsrelay *d)
{
	int r = flush(d);

	if (r >= 0)
		r = receive(d);
	if (r >= 0)
		r = watch_connection(d);
	if (r < 0)
		end_connection(d);
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	go_on(userdata);
	return 0;
}

static void on_ready(struct upstream *u, int r, void *userdata)
{
	struct dnsrelay *d = userdata;

	d->events = EPOLLIN;
	if (r >= 0)
		r = sd_event_add_io(
			d->event, &d->answers_in, upstream_fd(u), EPOLLIN, on_connection, d);
	if (r < 0) {
		fail_connection(d);
		return;
	}
	d->state = OPEN;
	go_on(d);
}

static void open_connection(struct dnsrelay *d)
{
	d->state = OPENING;
	d->answered = false;
	d->upstream = upstream_open(d->upstreams, d->server[d->current], PORT_DNS, on_ready, d);
	for (size_t i = 0; i < DNSTABLE_MAX; i++)
		if (d->queries.at[i].message)
			put_out(d, &d->queries.at[i]);
}

/* --- patience --- */

static int arm(struct dnsrelay *d)
{
	int r = sd_event_source_set_time_relative(
		d->patience, d->queries.n > 0 ? PATIENCE_US : IDLE_US);

	return r < 0 ? r : sd_event_source_set_enabled(d->patience, SD_EVENT_ONESHOT);
}

/* While queries are under way, a connection that brings no answer is given up; an idle one is
 * closed after a while. */
static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dnsrelay *d = userdata;

	if (d->queries.n == 0 && !d->heard)
		close_connection(d);
	else if (!d->heard)
		fail_connection(d);
	d->heard = false;
	return d->state == CLOSED ? 0 : arm(d);
}

/* --- from the client --- */

static bool asked_address(struct msghdr *msg, struct in_addr *ret)
{
	struct sockaddr_in to;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_ORIGDSTADDR)
			continue;
		memcpy(&to, CMSG_DATA(c), sizeof(to));
		*ret = to.sin_addr;
		return true;
	}
	return false;
}

static bool receive_query(struct dnsrelay *d)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct sockaddr_in))];
	} control = {};
	uint8_t m[QUERY_MAX];
	struct iovec iov = { m, sizeof(m) };
	struct sockaddr_in client = {};
	struct msghdr msg = { .msg_name = &client,
		.msg_namelen = sizeof(client),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(d->socket, &msg, MSG_DONTWAIT);
	struct in_addr asked;
	uint16_t random = 0;
	struct dnstable_query *q;

	if (n < 0)
		return false;
	if (msg.msg_flags & MSG_TRUNC || !dnsmsg_is_query(m, (size_t)n) ||
		!asked_address(&msg, &asked) || ntohl(asked.s_addr) >> 24 == IN_LOOPBACKNET)
		return true;
	(void)!getrandom(&random, sizeof(random), 0);
	q = dnstable_add(&d->queries, m, (size_t)n, random);
	q->client = client;
	q->asked = asked;
	if (d->state != CLOSED)
		put_out(d, q);
	else
		open_connection(d);
	return true;
}

static int on_queries(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct dnsrelay *d = userdata;
	bool was_idle = d->queries.n == 0;

	for (int i = 0; i < PER_TURN && receive_query(d); i++)
		;
	if (d->state == OPEN)
		go_on(d);
	return was_idle ? arm(d) : 0;
}

/* --- its life --- */

static void forget_all(struct dnsrelay *d)
{
	close_connection(d);
	dnstable_forget_all(&d->queries);
}

static void free_relay(struct dnsrelay *d)
{
	forget_all(d);
	d->queries_in = sd_event_source_disable_unref(d->queries_in);
	d->patience = sd_event_source_disable_unref(d->patience);
	free(d);
}

int dnsrelay_new(
	sd_event *event, struct upstream_pool *upstreams, int socket, struct dnsrelay **ret)
{
	struct dnsrelay *d = xcalloc(1, sizeof(*d));
	int r;

	d->event = event;
	d->upstreams = upstreams;
	d->socket = socket;
	r = sd_event_add_time(event, &d->patience, CLOCK_MONOTONIC, 0, ACCURACY_US, on_patience, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->patience, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_io(event, &d->queries_in, socket, EPOLLIN, on_queries, d);
	if (r < 0) {
		free_relay(d);
		return r;
	}
	*ret = d;
	return 0;
}

void dnsrelay_configure(struct dnsrelay *d, const uint32_t *servers, size_t n)
{
	assert(n > 0 && n <= DNSRELAY_SERVERS_MAX);
	forget_all(d);
	memcpy(d->server, servers, n * sizeof(*servers));
	d->n_servers = n;
	d->current = 0;
}

uint32_t dnsrelay_server(const struct dnsrelay *d)
{
	return d->server[d->current];
}
