/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/dnsrelay.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "netns/dnsmsg.h"

#define QUERIES_MAX 512 /* under way; a power of two: a query's id holds its place */
#define QUERY_MAX   2048
#define TRIES_MAX   3
#define OUT_MAX     (64 * 1024)
#define IN_MAX      (2 + DNSMSG_MAX)
#define PATIENCE_US (8 * 1000000ULL)
#define IDLE_US     (30 * 1000000ULL)
#define ACCURACY_US 100000
#define PORT_DNS    53
#define PER_TURN    32

struct query {
	uint8_t *message; /* with our id; NULL: a free place */
	size_t n;
	uint16_t id, client_id;
	struct sockaddr_in client;
	struct in_addr asked; /* whose answer it takes this for */
	unsigned tries;
};

enum state { CLOSED, OPENING, OPEN };

struct dnsrelay {
	sd_event *event;
	struct upstream_pool *upstreams;
	int socket;
	sd_event_source *queries_in, *answers_in, *patience;
	uint32_t server[DNSRELAY_SERVERS_MAX];
	size_t n_servers, current;
	struct query query[QUERIES_MAX];
	size_t n_queries, next_place;
	enum state state;
	struct upstream *upstream;
	uint32_t events;
	bool heard; /* an answer, since patience was last asked */
	uint8_t out[OUT_MAX], in[IN_MAX];
	size_t n_out, n_in;
};

static void open_connection(struct dnsrelay *d);

/* --- to the client --- */

/* From the address that it asked: a transparent socket may (ip(7), IP_PKTINFO). */
static void send_to_client(struct dnsrelay *d, const struct query *q, const void *m, size_t n)
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

static void forget(struct dnsrelay *d, struct query *q)
{
	free(TAKE(q->message));
	d->n_queries--;
}

static void fail_query(struct dnsrelay *d, struct query *q)
{
	size_t n;

	dnsmsg_set_id(q->message, q->client_id);
	n = dnsmsg_fail(q->message, q->n);
	if (n > 0)
		send_to_client(d, q, q->message, n);
	forget(d, q);
}

static void answer(struct dnsrelay *d, uint8_t *m, size_t n)
{
	struct query *q;

	if (n < DNSMSG_HEADER)
		return;
	q = &d->query[dnsmsg_id(m) % QUERIES_MAX];
	if (!q->message || q->id != dnsmsg_id(m))
		return;
	dnsmsg_set_id(m, q->client_id);
	if (n > dnsmsg_udp_limit(q->message, q->n))
		n = dnsmsg_truncate(m, n);
	if (n > 0)
		send_to_client(d, q, m, n);
	forget(d, q);
	d->heard = true;
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
	for (size_t i = 0; i < QUERIES_MAX; i++)
		if (d->query[i].message && d->query[i].tries >= TRIES_MAX)
			fail_query(d, &d->query[i]);
	if (d->n_queries > 0)
		open_connection(d);
}

/* A server that has finished with us, as servers do with idle clients. */
static void end_connection(struct dnsrelay *d)
{
	if (d->n_queries > 0)
		fail_connection(d);
	else
		close_connection(d);
}

static void put_out(struct dnsrelay *d, struct query *q)
{
	if (d->n_out + 2 + q->n > OUT_MAX) {
		forget(d, q);
		return;
	}
	d->out[d->n_out] = (uint8_t)(q->n >> 8);
	d->out[d->n_out + 1] = (uint8_t)q->n;
	memcpy(d->out + d->n_out + 2, q->message, q->n);
	d->n_out += 2 + q->n;
	q->tries++;
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

static void take_answers(struct dnsrelay *d)
{
	size_t at = 0;

	while (d->n_in - at >= 2) {
		size_t n = (size_t)(d->in[at] << 8 | d->in[at + 1]);

		if (d->n_in - at - 2 < n)
			break;
		answer(d, d->in + at + 2, n);
		at += 2 + n;
	}
	d->n_in -= at;
	memmove(d->in, d->in + at, d->n_in);
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
		take_answers(d);
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
	d->upstream = upstream_open(d->upstreams, d->server[d->current], PORT_DNS, on_ready, d);
	for (size_t i = 0; i < QUERIES_MAX; i++)
		if (d->query[i].message)
			put_out(d, &d->query[i]);
}

/* --- patience --- */

static int arm(struct dnsrelay *d)
{
	int r = sd_event_source_set_time_relative(
		d->patience, d->n_queries > 0 ? PATIENCE_US : IDLE_US);

	return r < 0 ? r : sd_event_source_set_enabled(d->patience, SD_EVENT_ONESHOT);
}

/* While queries are under way, a connection that brings no answer is given up; an idle one is closed
 * after a while. */
static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dnsrelay *d = userdata;

	if (d->n_queries == 0 && !d->heard)
		close_connection(d);
	else if (!d->heard)
		fail_connection(d);
	d->heard = false;
	return d->state == CLOSED ? 0 : arm(d);
}

/* --- from the client --- */

static struct query *free_place(struct dnsrelay *d)
{
	struct query *q;

	for (size_t i = 0; i < QUERIES_MAX; i++) {
		q = &d->query[d->next_place++ % QUERIES_MAX];
		if (!q->message)
			return q;
	}
	/* The oldest ones are forgotten first, about. */
	q = &d->query[d->next_place++ % QUERIES_MAX];
	forget(d, q);
	return q;
}

static struct query *add_query(struct dnsrelay *d, const uint8_t *m, size_t n)
{
	struct query *q = free_place(d);
	uint16_t random = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	*q = (struct query){ .message = xcalloc(1, n), .n = n, .client_id = dnsmsg_id(m) };
	q->id = (uint16_t)((random & ~(QUERIES_MAX - 1)) | (size_t)(q - d->query));
	memcpy(q->message, m, n);
	dnsmsg_set_id(q->message, q->id);
	d->n_queries++;
	return q;
}

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
	struct query *q;

	if (n < 0)
		return false;
	if (msg.msg_flags & MSG_TRUNC || !dnsmsg_is_query(m, (size_t)n) ||
		!asked_address(&msg, &asked) || ntohl(asked.s_addr) >> 24 == IN_LOOPBACKNET)
		return true;
	q = add_query(d, m, (size_t)n);
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
	bool was_idle = d->n_queries == 0;

	for (int i = 0; i < PER_TURN && receive_query(d); i++)
		;
	if (d->state == OPEN)
		go_on(d);
	return was_idle ? arm(d) : 0;
}

/* --- its life --- */

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
		dnsrelay_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

static void forget_all(struct dnsrelay *d)
{
	close_connection(d);
	for (size_t i = 0; i < QUERIES_MAX; i++)
		if (d->query[i].message)
			forget(d, &d->query[i]);
}

struct dnsrelay *dnsrelay_free(struct dnsrelay *d)
{
	if (d) {
		forget_all(d);
		d->queries_in = sd_event_source_disable_unref(d->queries_in);
		d->patience = sd_event_source_disable_unref(d->patience);
		free(d);
	}
	return NULL;
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
