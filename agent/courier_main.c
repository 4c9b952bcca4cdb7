/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-courier: carries polls and report batches between the agent and the control API, and names
 * nothing. It sees orders as opaque bytes; what it is told comes by channel (descriptor 3), what it
 * may do is what proto/sandbox leaves. The agent decides when; the courier answers every POLL with
 * one ORDERS or FAILED, and every DELIVER with one ACKED or FAILED. */
#include <curl/curl.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>

#include "proto/channel.h"
#include "agent/fetch.h"
#include "agent/http.h"
#include "agent/http_rules.h"
#include "proto/sandbox.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define CHANNEL_FD        3
#define SETUP_TIMEOUT_MS  10000
#define POLL_MARGIN_S     20
#define POLL_WAIT_MAX_S   60
#define POLL_LIMIT_MAX    256
#define DELIVER_TIMEOUT_S 60

struct courier {
	struct http_setup setup;
	struct http *http;
	struct channel *channel;
	sd_event *event;
	struct frame poll, deliver; /* what is out; type 0: nothing */
};

/* --- answers --- */

static void send_or_end(struct courier *c, const struct frame *f, const void *payload, size_t size)
{
	if (channel_send(c->channel, f, payload, size, -1) < 0)
		(void)sd_event_exit(c->event, EXIT_FAILURE);
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

struct bytes {
	uint8_t *data;
	size_t size, allocated;
};

static void append(struct bytes *b, const void *data, size_t size)
{
	if (b->size + size > b->allocated) {
		b->allocated = MAX_OF(b->allocated * 2, b->size + size);
		b->data = xrealloc(b->data, b->allocated, 1);
	}
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static int pack_orders(const json_t *orders, struct bytes *ret)
{
	size_t n = json_array_size(orders);

	if (!json_is_array(orders) || n > POLL_LIMIT_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *text =
			json_dumps(json_array_get(orders, i), JSON_COMPACT | JSON_ENCODE_ANY);
		size_t size = text ? strlen(text) : 0;
		uint8_t length[4] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
			(uint8_t)(size >> 24) };

		if (!text || ret->size + size > FRAME_PAYLOAD_MAX - 4)
			return -EBADMSG;
		append(ret, length, sizeof(length));
		append(ret, text, size);
	}
	return 0;
}

static void on_polled(const struct http_answer *a, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_json_ json_t *body = NULL;
	struct bytes packed = {};
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
	free(packed.data);
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
		m->frame.c > POLL_LIMIT_MAX)
		return -EBADMSG;
	c->poll = m->frame;
	path = xasprintf("/nodes/%s/orders?after=%llu&wait=%llu&limit=%llu", c->setup.node_id,
		(unsigned long long)m->frame.a, (unsigned long long)m->frame.b,
		(unsigned long long)m->frame.c);
	return http_start(
		c->http, path, NULL, 0, (unsigned)m->frame.b + POLL_MARGIN_S, on_polled, c);
}

static int on_deliver(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	_cleanup_(freep) char *path = NULL;

	if (c->deliver.type)
		return -EBADMSG;
	c->deliver = m->frame;
	path = xasprintf("/nodes/%s/reports", c->setup.node_id);
	return http_start(c->http, path, m->payload, m->size, DELIVER_TIMEOUT_S, on_delivered, c);
}

static int on_keys(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct courier *c = userdata;
	struct keyset ks;
	struct err err;

	if (keyset_parse(m->payload, m->size, &ks, &err) < 0)
		return -EBADMSG;
	c->setup.keyset = ks;
	c->setup.has_keyset = true;
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

	(void)sd_event_exit(c->event, r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* --- set-up --- */

/* Into locked memory that is wiped: the token is a secret, and the rest comes along. */
static char *keep(const char *s)
{
	char *copy = sodium_malloc(strlen(s) + 1);

	if (!copy)
		abort();
	strcpy(copy, s);
	return copy;
}

static int read_setup(const json_t *v, struct http_setup *ret, struct err *err)
{
	struct {
		const char *key;
		bool required;
		char **to;
	} texts[] = {
		{ "api_url", true, &ret->api_url },
		{ "node_id", true, &ret->node_id },
		{ "node_token", true, &ret->node_token },
		{ "user_agent", true, &ret->user_agent },
		{ "hostname", false, &ret->hostname },
		{ "ca_pem", false, &ret->ca_pem },
	};
	const char *signature, *s;
	int r = jsonx_string(v, "response_signature", true, &signature, ERR_CONFIG, err);

	for (size_t i = 0; i < countof(texts) && r >= 0; i++) {
		s = NULL;
		r = jsonx_string(v, texts[i].key, texts[i].required, &s, ERR_CONFIG, err);
		if (r >= 0 && s)
			*texts[i].to = keep(s);
	}
	if (r < 0)
		return r;
	if (!ident_is_id(ret->node_id) || !http_is_allowed(ret->api_url))
		return err_set(err, -EINVAL, ERR_CONFIG, "Control.ApiUrl",
			"the node id or the URL has not the form it must have");
	ret->signature_required = strcmp(signature, "required") == 0;
	if (json_is_object(json_object_get(v, "keyset"))) {
		_cleanup_(freep) char *text = jsonx_dump(json_object_get(v, "keyset"));

		r = keyset_parse(text, strlen(text), &ret->keyset, err);
		ret->has_keyset = r >= 0;
	}
	return r;
}

static int receive_setup(struct http_setup *ret, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	struct frame f;
	void *payload = NULL;
	int fd = -1, r = channel_recv_sync(CHANNEL_FD, SETUP_TIMEOUT_MS, &f, &payload, &fd);

	closefd(fd);
	if (r < 0 || f.type != FRAME_COURIER_SETUP || !payload)
		r = err_set(err, -EBADMSG, ERR_CHANNEL, NULL, "no set-up came");
	if (r >= 0)
		r = jsonx_parse(payload, f.size, ERR_CHANNEL, &v, err);
	if (payload)
		sodium_memzero(payload, f.size);
	free(payload);
	return r < 0 ? r : read_setup(v, ret, err);
}

static int confine(struct courier *c, const char *user, struct err *err)
{
	int r;

	if (!c->setup.ca_pem && strncmp(c->setup.api_url, "https", 5) == 0)
		c->setup.ca_pem = http_rules_system_ca();
	http_rules_load();
	r = sandbox_enter(SANDBOX_CLIENT, user, err);
	return r;
}

static int serve(struct courier *c)
{
	int r = sd_event_new(&c->event);

	if (r >= 0)
		r = http_new(c->event, &c->setup, &c->http);
	if (r >= 0)
		r = channel_open(
			c->event, CHANNEL_FD, permits, countof(permits), on_gone, c, &c->channel);
	if (r >= 0)
		r = channel_send(
			c->channel, &(struct frame){ .type = FRAME_COURIER_READY }, NULL, 0, -1);
	(void)malloc_trim(0);
	if (r >= 0)
		r = sd_event_loop(c->event);
	c->http = http_free(c->http);
	c->channel = channel_close(c->channel);
	sd_event_unref(c->event);
	return r;
}

static void setup_done(struct http_setup *s)
{
	sodium_free(s->api_url);
	sodium_free(s->node_id);
	sodium_free(s->node_token);
	sodium_free(s->user_agent);
	sodium_free(s->hostname);
}

int main(int argc, char **argv)
{
	struct courier c = {};
	const char *user = argc >= 3 && strcmp(argv[1], "--user") == 0 ? argv[2] : NULL;
	bool fetch = argc == 4 && strcmp(argv[3], "--fetch") == 0;
	struct err err = {};
	int r;

	if (!user || (argc > 3 && !fetch)) {
		(void)fputs("hoody-courier is started by hoody-agent\n", stderr);
		return EXIT_FAILURE;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0 || fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
		return EXIT_FAILURE;
	if (fetch)
		return fetch_run(user);
	r = receive_setup(&c.setup, &err);
	if (r >= 0)
		r = confine(&c, user, &err);
	if (r < 0) {
		(void)fprintf(stderr, "hoody-courier: %s\n", err.message);
		return EXIT_FAILURE;
	}
	r = serve(&c);
	setup_done(&c.setup);
	return r < 0 ? EXIT_FAILURE : r;
}
