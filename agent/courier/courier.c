/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/courier.h"

#include "agent/courier/batchpack.h"
#include "proto/nodecall.h"

struct courier {
	struct http_setup *setup;
	struct http *http;
	struct channel *channel;
	struct frame poll, deliver, stats; /* what is out; type 0: nothing */
	courier_gone gone;
	void *userdata;
};

/* --- answers --- */

static void send_or_end(struct courier *c, const struct frame *f, const void *payload, size_t size)
{
	int r = channel_send(c->channel, f, payload, size, -1);

	if (r < 0)
		c->gone(r, c->userdata);
}

static void answer_failed(
	struct courier *c, struct frame *request, const struct http_answer *a, enum frame_fail fail)
{
	struct frame f = {
		.type = FRAME_COURIER_FAILED,
		.id = request->id,
		.a = (uint64_t)MIN_OF(MAX_OF(a->status, 0), 999),
		.b = a->retry_after_ms,
		.c = fail,
	};

	request->type = FRAME_NONE;
	send_or_end(c, &f, NULL, 0);
}

/* Whoever believes it verifies it: the signed bytes, and what they were signed with. */
static void pass_on(struct courier *c, struct frame *request, const struct http_answer *a)
{
	size_t n = strlen(a->signature);
	_cleanup_(freep) uint8_t *bytes = xcalloc(1, n + a->size);
	struct frame f = {
		.type = FRAME_COURIER_SIGNED, .id = request->id, .a = n, .b = (uint64_t)a->status
	};

	memcpy(bytes, a->signature, n);
	if (a->size > 0)
		memcpy(bytes + n, a->body, a->size);
	request->type = FRAME_NONE;
	send_or_end(c, &f, bytes, n + a->size);
}

/* What nobody has signed, or what has failed, ends here: true. */
static bool is_settled(struct courier *c, struct frame *request, const struct http_answer *a)
{
	if (a->fail != FRAME_FAIL_NONE)
		answer_failed(c, request, a, a->fail);
	else if (a->status == 204 && request != &c->stats) /* theirs alone may say nothing */
		answer_failed(c, request, a, FRAME_FAIL_BODY);
	else if (a->signature[0])
		pass_on(c, request, a);
	else
		return false;
	return true;
}

static void on_polled(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_nodecall_orders_ struct nodecall_orders got = {};
	struct frame f = { .type = FRAME_COURIER_ORDERS, .id = c->poll.id };

	if (is_settled(c, &c->poll, a))
		return;
	if (nodecall_read_orders(a->body, a->size, &got) < 0) {
		answer_failed(c, &c->poll, a, FRAME_FAIL_BODY);
		return;
	}
	f.a = got.head_seq;
	f.b = got.n_orders;
	f.c = got.n_keysets;
	c->poll.type = FRAME_NONE;
	send_or_end(c, &f, got.pack.data, got.pack.size);
}

static void on_delivered(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	struct frame f = { .type = FRAME_COURIER_ACKED, .id = c->deliver.id };
	struct nodecall_pace ignored; /* of an answer that is not signed */

	if (is_settled(c, &c->deliver, a))
		return;
	if (nodecall_read_acked(a->body, a->size, &f.a, &ignored) < 0) {
		answer_failed(c, &c->deliver, a, FRAME_FAIL_BODY);
		return;
	}
	c->deliver.type = FRAME_NONE;
	send_or_end(c, &f, NULL, 0);
}

static void on_stats_taken(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	struct frame f = { .type = FRAME_COURIER_TAKEN, .id = c->stats.id };

	if (is_settled(c, &c->stats, a))
		return;
	c->stats.type = FRAME_NONE;
	send_or_end(c, &f, NULL, 0);
}

/* --- requests --- */

static int on_poll(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_(freep) char *path = NULL;

	if (c->poll.type || m->frame.b > NODECALL_POLL_WAIT_MAX_S || m->frame.c < 1 ||
		m->frame.c > ORDERPACK_MAX)
		return -EBADMSG;
	c->poll = m->frame;
	path = nodecall_orders_path(c->setup->node_id, m->frame.a, m->frame.b, m->frame.c);
	return http_start(c->http,
		&(struct http_request){
			.path = path, .timeout_s = (unsigned)m->frame.b + NODECALL_POLL_MARGIN_S },
		on_polled, c);
}

static int on_deliver(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	struct http_request rq = {
		.body = m->payload, .size = m->size, .timeout_s = NODECALL_DELIVER_S
	};
	_cleanup_(freep) char *path = NULL, *packed = NULL;

	if (c->deliver.type)
		return -EBADMSG;
	c->deliver = m->frame;
	rq.path = path = nodecall_reports_path(c->setup->node_id);
	if (http_takes_packed(c->http))
		packed = batchpack(m->payload, m->size, &rq.size);
	if (packed) {
		rq.body = packed;
		rq.packed = true;
	}
	return http_start(c->http, &rq, on_delivered, c);
}

static int on_stats(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_(freep) char *path = NULL;

	if (c->stats.type)
		return -EBADMSG;
	c->stats = m->frame;
	path = nodecall_stats_path(c->setup->node_id);
	return http_start(c->http,
		&(struct http_request){ .path = path,
			.body = m->payload,
			.size = m->size,
			.timeout_s = NODECALL_DELIVER_S },
		on_stats_taken, c);
}

static int on_keys(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	struct keyset ks;
	struct err err;

	if (keyset_parse(m->payload, m->size, &ks, &err) < 0)
		return -EBADMSG;
	c->setup->keyset = ks;
	c->setup->has_keyset = true;
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_COURIER_POLL, 1, .handler = on_poll },
	{ FRAME_COURIER_DELIVER, 1, .payload = true, .handler = on_deliver },
	{ FRAME_COURIER_STATS, 1, .payload = true, .handler = on_stats },
	{ FRAME_COURIER_KEYS, 1, .payload = true, .handler = on_keys },
};

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct courier *c = userdata;

	c->gone(r, c->userdata);
}

int courier_open(sd_event *event, struct http_setup *setup, int fd, courier_gone gone,
	void *userdata, struct courier **ret)
{
	struct courier *c = xcalloc(1, sizeof(*c));
	int r = channel_open(event, fd, permits, countof(permits), on_gone, c, &c->channel);

	c->setup = setup;
	c->gone = gone;
	c->userdata = userdata;
	if (r >= 0)
		r = http_new(event, setup, &c->http);
	if (r >= 0)
		r = channel_send(
			c->channel, &(struct frame){ .type = FRAME_COURIER_READY }, NULL, 0, -1);
	if (r < 0) {
		c = courier_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct courier *courier_close(struct courier *c)
{
	if (c) {
		c->http = http_free(c->http);
		c->channel = channel_close(c->channel);
		free(c);
	}
	return NULL;
}
