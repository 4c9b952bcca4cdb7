/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier.h"

#include "agent/uplink.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/orderpack.h"

#define POLL_WAIT_MAX_S 60

struct courier {
	struct http_setup *setup;
	struct http *http;
	struct channel *channel;
	struct frame poll, deliver; /* what is out; type 0: nothing */
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

/* data of the public envelope; -EBADMSG when the body is none. */
static int open_envelope(const struct http_answer *a, json_t **ret_body, const json_t **ret_data)
{
	struct err err;
	int r = jsonx_parse(a->body, a->size, ERR_INTERNAL, ret_body, &err);

	if (r < 0)
		return r;
	*ret_data = json_object_get(*ret_body, "data");
	return json_is_object(*ret_data) ? 0 : -EBADMSG;
}

static int pack_orders(const json_t *orders, struct orderpack *ret)
{
	size_t n = json_array_size(orders);

	if (!json_is_array(orders) || n > ORDERPACK_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *text =
			json_dumps(json_array_get(orders, i), JSON_COMPACT | JSON_ENCODE_ANY);

		if (!text || orderpack_add(ret, text, strlen(text)) < 0)
			return -EBADMSG;
	}
	return 0;
}

static void on_polled(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_json_ json_t *body = NULL;
	_cleanup_orderpack_ struct orderpack packed = {};
	const json_t *data;
	int64_t head_seq = 0;
	struct err err;

	if (a->fail != FRAME_FAIL_NONE) {
		answer_failed(c, &c->poll, a, a->fail);
		return;
	}
	if (open_envelope(a, &body, &data) < 0 ||
		jsonx_int(data, "head_seq", false, 0, (int64_t)IDENT_SEQ_MAX, &head_seq,
			ERR_INTERNAL, &err) < 0 ||
		pack_orders(json_object_get(data, "orders"), &packed) < 0) {
		answer_failed(c, &c->poll, a, FRAME_FAIL_BODY);
	} else {
		struct frame f = { .type = FRAME_COURIER_ORDERS,
			.id = c->poll.id,
			.a = (uint64_t)head_seq,
			.b = json_array_size(json_object_get(data, "orders")) };

		c->poll.type = FRAME_NONE;
		send_or_end(c, &f, packed.data, packed.size);
	}
}

static void on_delivered(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_json_ json_t *body = NULL;
	const json_t *data;
	int64_t acked = 0;
	struct err err;

	if (a->fail != FRAME_FAIL_NONE) {
		answer_failed(c, &c->deliver, a, a->fail);
	} else if (open_envelope(a, &body, &data) < 0 ||
		   jsonx_int(data, "acked_seq", true, 0, INT64_MAX, &acked, ERR_INTERNAL, &err) <
			   0) {
		answer_failed(c, &c->deliver, a, FRAME_FAIL_BODY);
	} else {
		struct frame f = {
			.type = FRAME_COURIER_ACKED, .id = c->deliver.id, .a = (uint64_t)acked
		};

		c->deliver.type = FRAME_NONE;
		send_or_end(c, &f, NULL, 0);
	}
}

/* --- requests --- */

static int on_poll(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_(freep) char *path = NULL;

	if (c->poll.type || m->frame.b > POLL_WAIT_MAX_S || m->frame.c < 1 ||
		m->frame.c > ORDERPACK_MAX)
		return -EBADMSG;
	c->poll = m->frame;
	path = xasprintf("/nodes/%s/orders?after=%llu&wait=%llu&limit=%llu", c->setup->node_id,
		(unsigned long long)m->frame.a, (unsigned long long)m->frame.b,
		(unsigned long long)m->frame.c);
	return http_start(
		c->http, path, NULL, 0, (unsigned)m->frame.b + UPLINK_POLL_MARGIN_S, on_polled, c);
}

static int on_deliver(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_(freep) char *path = NULL;

	if (c->deliver.type)
		return -EBADMSG;
	c->deliver = m->frame;
	path = xasprintf("/nodes/%s/reports", c->setup->node_id);
	return http_start(c->http, path, m->payload, m->size, UPLINK_DELIVER_S, on_delivered, c);
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
