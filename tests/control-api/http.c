/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nodes ask: enrol, public key, orders by long poll, reports, statistics. And every way of
 * answering badly that a test asks for: a misbehaviour has a name, the calls that it is for, and
 * how often; each answer passes it on its way out, in reply() and what that calls.
 *
 * A long poll is a suspended connection in a list in the order of their ends. New orders wake
 * the polls of the node that has them; all others wait for their time, which is put into
 * bunches, since libmicrohttpd looks at every suspended connection when one is resumed. Whatever
 * is decoded here is read by this program's own hand, so that a mistake of the agent's isn't
 * made twice. */
#include <sodium.h>
#include <zlib.h>

#include "tests/control-api/api.h"

#define LIMIT_MAX       256
#define POLL_WAIT_MAX_S 600u
/* libmicrohttpd looks at every suspended connection when one is resumed: they are in bunches */
#define POLL_TICK_MS 100

struct request {
	char *body;
	size_t size;
	struct api_poll *poll;
	bool begun;
	bool ready; /* a poll whose time has come */
};

struct api_poll { /* in the order of until_ms */
	struct api_poll *prev, *next;
	struct MHD_Connection *c;
	struct request *request;
	uint64_t after;
	bool ours; /* of the node that has the orders */
	int64_t until_ms;
};

/* --- answering --- */

static bool misbehaves(struct api *api, const char *what, const char *on)
{
	struct api_misbehaviour *m = &api->misbehave;

	return m->count > 0 && strcmp(m->what, what) == 0 &&
	       (strcmp(m->on, "all") == 0 || strcmp(m->on, on) == 0);
}

static char *spoil(struct api *api, const char *on, char *body, size_t *size)
{
	if (misbehaves(api, "garbage", on)) {
		free(body);
		body = xstrdup("\x01\x02{]]] this is no JSON");
	} else if (misbehaves(api, "huge", on)) {
		body = xrealloc(body, 17 << 20, 1);
		memset(body, ' ', (17 << 20) - 1);
		body[(17 << 20) - 1] = '\0';
	} else if (misbehaves(api, "truncate", on)) {
		body[strlen(body) / 2] = '\0';
	} else {
		return body;
	}
	*size = strlen(body);
	return body;
}

static size_t add_member(char *out, size_t room, const char *from, size_t n)
{
	z_stream z = { .next_in = (Bytef *)from,
		.avail_in = (uInt)n,
		.next_out = (Bytef *)out,
		.avail_out = (uInt)room };

	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
		deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	(void)deflateEnd(&z);
	return room - z.avail_out;
}

/* Of what was signed: "gzip"; "members", four of them, one empty; and then cut off, or with
 * something behind. */
static char *encode(struct api *api, const char *on, const char *body, size_t *size)
{
	const bool cut = misbehaves(api, "gzip-cut", on), more = misbehaves(api, "gzip-more", on),
		   several = misbehaves(api, "members", on) || cut || more;
	const size_t room = 2 * *size + 1024, part = several ? *size / 3 : *size;
	size_t n = 0;
	char *out;

	if (!several && !misbehaves(api, "gzip", on))
		return NULL;
	out = xcalloc(1, room);
	n += add_member(out, room, body, part);
	if (several) {
		n += add_member(out + n, room - n, body, 0);
		n += add_member(out + n, room - n, body + part, part);
		n += add_member(out + n, room - n, body + 2 * part, *size - 2 * part);
	}
	for (size_t i = 0; more && i < 4; i++)
		out[n++] = '?';
	*size = cut ? n - 9 : n;
	return out;
}

/* One that the node trusts (section 10.11): each set has one key, so set N has the Nth. */
static const struct api_key *signer(const struct api *api, struct MHD_Connection *c)
{
	const char *version = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Hoody-Keyset");
	size_t n = version ? strtoul(version, NULL, 10) : 0;

	return &api->keys[n >= 1 && n <= api->n_keys ? n - 1 : api->active];
}

static enum MHD_Result reply(struct api *api, struct MHD_Connection *c, const char *method,
	const char *path, const char *on, int status, json_t *v_steals)
{
	char *body, *encoded, *signature;
	struct MHD_Response *r;
	enum MHD_Result ok;
	size_t size;

	if (api->pace)
		(void)json_object_set_new(v_steals, "meta", json_pack("{s:O}", "pace", api->pace));
	body = json_dumps(v_steals, JSON_COMPACT);
	size = strlen(body);
	json_decref(v_steals);
	if (misbehaves(api, "5xx", on) || misbehaves(api, "redirect", on) ||
		misbehaves(api, "retry-after", on))
		status = misbehaves(api, "redirect", on) ? 302
			 : api->misbehave.status         ? api->misbehave.status
							 : 503;
	body = spoil(api, on, body, &size);
	signature = api_sign_response(api, signer(api, c), method, status, path, body, size);
	if (misbehaves(api, "tamper", on))
		body[size / 2] ^= 1;
	if (misbehaves(api, "bad-signature", on))
		signature[strlen(signature) - 1] ^= 1;
	encoded = encode(api, on, body, &size);
	if (encoded) {
		free(body);
		body = encoded;
	}
	r = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
	if (encoded)
		(void)MHD_add_response_header(r, "Content-Encoding", "gzip");
	(void)MHD_add_response_header(r, "Content-Type", "application/json");
	(void)MHD_add_response_header(r, "Accept-Encoding", "gzip");
	if (!api->no_packed)
		(void)MHD_add_response_header(
			r, "Accept", "application/vnd.hoody.report-batch, application/json");
	if (!misbehaves(api, "unsigned", on))
		(void)MHD_add_response_header(r, "X-Hoody-Signature", signature);
	if (misbehaves(api, "redirect", on))
		(void)MHD_add_response_header(r, "Location", api->url);
	if (misbehaves(api, "retry-after", on))
		(void)MHD_add_response_header(r, "Retry-After", "1");
	if (api->misbehave.count > 0 &&
		(strcmp(api->misbehave.on, on) == 0 || strcmp(api->misbehave.on, "all") == 0))
		api->misbehave.count--;
	ok = MHD_queue_response(c, (unsigned)status, r);
	MHD_destroy_response(r);
	free(signature);
	return ok;
}

static json_t *success(json_t *data)
{
	return json_pack("{s:b, s:o}", "success", true, "data", data);
}

static json_t *failure(int status, const char *error, const char *message)
{
	return json_pack(
		"{s:i, s:s, s:s}", "statusCode", status, "error", error, "message", message);
}

/* --- orders --- */

static void append_text(json_t *list, const char *envelope)
{
	json_t *v = json_loads(envelope, JSON_DECODE_ANY, NULL);

	(void)json_array_append_new(list, v ? v : json_string(envelope));
}

static void reverse(json_t *list)
{
	for (size_t i = 0, n = json_array_size(list); i < n / 2; i++) {
		json_t *a = json_incref(json_array_get(list, i)),
		       *b = json_incref(json_array_get(list, n - 1 - i));

		(void)json_array_set_new(list, i, b);
		(void)json_array_set_new(list, n - 1 - i, a);
	}
}

static json_t *orders_json(struct api *api, uint64_t after, unsigned limit)
{
	json_t *list = json_array(), *v;
	bool withhold = misbehaves(api, "withhold", "orders"),
	     repeat = misbehaves(api, "repeat", "orders"), omit = misbehaves(api, "omit", "orders");
	size_t i = repeat ? 0 : api_first_after(api, after) + omit;
	uint64_t head = api->n_orders ? api->orders[api->n_orders - 1]->seq : 0;

	for (; !withhold && i < api->n_orders && json_array_size(list) < limit; i++) {
		struct api_order *o = api->orders[i];

		append_text(list, o->envelope);
		if (!o->fetched_ms) {
			o->fetched_ms = api_now_ms(NULL);
			api_ctl_event(api, "fetched",
				json_pack("{s:s, s:I}", "id", o->id, "seq", (json_int_t)o->seq));
		}
	}
	for (size_t j = 0; j < api->n_raw; j++) {
		append_text(list, api->raw[j]);
		free(api->raw[j]);
	}
	api->n_raw = 0;
	if (misbehaves(api, "reorder", "orders"))
		reverse(list);
	v = json_pack("{s:o, s:I}", "orders", list, "head_seq", (json_int_t)head);
	if (api->keysets)
		(void)json_object_set(v, "keysets", api->keysets);
	return v;
}

static bool has_orders(const struct api *api, uint64_t after)
{
	return api->n_raw > 0 || api_first_after(api, after) < api->n_orders;
}

static uint64_t query(struct MHD_Connection *c, const char *key, uint64_t otherwise)
{
	const char *s = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, key);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

/* The path with its query as it was asked for: what the signature covers. */
static void path_of(struct MHD_Connection *c, const char *url, char ret[static 512])
{
	const char *after = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "after");

	if (after)
		(void)snprintf(ret, 512, "%s?after=%s&wait=%s&limit=%s", url, after,
			MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "wait"),
			MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "limit"));
	else
		(void)snprintf(ret, 512, "%s", url);
}

static void hold(struct api *api, struct api_poll *p)
{
	struct api_poll *before = api->last_poll;

	while (before && before->until_ms > p->until_ms)
		before = before->prev;
	p->prev = before;
	p->next = before ? before->next : api->polls;
	*(before ? &before->next : &api->polls) = p;
	*(p->next ? &p->next->prev : &api->last_poll) = p;
	p->request->poll = p;
	api->n_waiting++;
	MHD_suspend_connection(p->c);
}

static void wake(struct api *api, struct api_poll *p)
{
	*(p->prev ? &p->prev->next : &api->polls) = p->next;
	*(p->next ? &p->next->prev : &api->last_poll) = p->prev;
	p->request->poll = NULL;
	p->request->ready = true;
	api->n_waiting--;
	MHD_resume_connection(p->c);
	free(p);
}

static void wake_ours(struct api *api)
{
	struct api_poll *next;

	for (struct api_poll *p = api->polls; p; p = next) {
		next = p->next;
		if (p->ours)
			wake(api, p);
	}
}

static int64_t tick_after(uint64_t wait_s)
{
	int64_t until_ms = api_now_ms(NULL) + (int64_t)MIN_OF(wait_s, POLL_WAIT_MAX_S) * 1000;

	return (until_ms + POLL_TICK_MS - 1) / POLL_TICK_MS * POLL_TICK_MS;
}

static enum MHD_Result get_orders(
	struct api *api, struct MHD_Connection *c, const char *url, struct request *rq)
{
	uint64_t after = query(c, "after", 0), wait_s = query(c, "wait", 0),
		 limit = query(c, "limit", LIMIT_MAX);
	bool ours = strstr(url, api->node_id);
	enum MHD_Result r;
	char path[512];

	path_of(c, url, path);
	if (!rq->ready) {
		api->n_asked++;
		if (ours)
			api_ctl_event(api, "poll", json_pack("{s:I}", "wait", (json_int_t)wait_s));
	}
	if (!rq->ready && wait_s > 0 && !(ours && has_orders(api, after)) &&
		api->misbehave.count == 0) {
		struct api_poll *p = xcalloc(1, sizeof(*p));

		if (ours)
			wake_ours(api); /* of a courier that was killed */
		*p = (struct api_poll){ .c = c,
			.request = rq,
			.after = after,
			.ours = ours,
			.until_ms = tick_after(wait_s) };
		hold(api, p);
		return MHD_YES;
	}
	api->n_polls++;
	if (!ours)
		return reply(api, c, "GET", path, "orders", 200,
			success(json_pack("{s:[], s:i}", "orders", "head_seq", 0)));
	if (after < api->last_after)
		api_violation(api, "after went back from %llu to %llu",
			(unsigned long long)api->last_after, (unsigned long long)after);
	api->last_after = after;
	r = reply(api, c, "GET", path, "orders", 200,
		success(orders_json(api, after, (unsigned)MIN_OF(MAX_OF(limit, 1u), LIMIT_MAX))));
	if (api->keysets)
		api->active = api->rotate_key; /* it has been told of it */
	return r;
}

void api_wake_polls(struct api *api, bool timed_out_only)
{
	int64_t now_ms = api_now_ms(NULL);
	struct api_poll *next;

	for (struct api_poll *p = api->polls; p; p = next) {
		bool is_time = now_ms >= p->until_ms;

		next = p->next;
		if (is_time || (!timed_out_only && p->ours && has_orders(api, p->after)))
			wake(api, p);
		else if (timed_out_only)
			return;
	}
}

void api_wake_all(struct api *api)
{
	while (api->polls)
		wake(api, api->polls);
}

int64_t api_next_poll_ms(const struct api *api)
{
	return api->polls ? api->polls->until_ms : INT64_MAX;
}

/* --- statistics --- */

static enum MHD_Result no_content(struct api *api, struct MHD_Connection *c, const char *url)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	_cleanup_(freep) char *signature =
		api_sign_response(api, signer(api, c), "POST", 204, url, "", 0);
	enum MHD_Result ok;

	(void)MHD_add_response_header(r, "X-Hoody-Signature", signature);
	ok = MHD_queue_response(c, 204, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result post_stats(
	struct api *api, struct MHD_Connection *c, const char *url, struct request *rq)
{
	_cleanup_(freep) char *plain = api_plain_body(c, rq->body, &rq->size);
	json_t *v = plain ? json_loadb(plain, rq->size, 0, NULL) : NULL;

	if (api->no_stats) {
		json_decref(v);
		return reply(api, c, "POST", url, "stats", 404,
			failure(404, "NOT_FOUND", "no such path"));
	}
	api_check_stats(api, v);
	json_decref(api->stats);
	api->stats = v;
	api->n_stats++;
	api_ctl_event(api, "stats", json_pack("{s:O?}", "stats", v));
	if (api->n_stats % 2 && !api->pace)
		return no_content(api, c, url); /* both are answers */
	return reply(api, c, "POST", url, "stats", 200, success(json_object()));
}

/* --- reports --- */

static enum MHD_Result post_reports(
	struct api *api, struct MHD_Connection *c, const char *url, struct request *rq)
{
	_cleanup_(freep) char *plain = NULL;
	uint64_t acked = 0;
	int status;

	if (misbehaves(api, "drop", "reports") || misbehaves(api, "5xx", "reports"))
		return reply(api, c, "POST", url, "reports", 503,
			failure(503, "SERVICE_UNAVAILABLE", "not now"));
	plain = api_batch_body(api, c, rq->body, &rq->size);
	status = plain ? api_take_batch(api, plain, rq->size, &acked) : 400;
	if (status != 200)
		return reply(api, c, "POST", url, "reports", status,
			failure(status, "BAD_REQUEST", "the batch is refused"));
	if (misbehaves(api, "wrong-ack", "reports"))
		acked += 1000000;
	return reply(api, c, "POST", url, "reports", 200,
		success(json_pack("{s:I}", "acked_seq", (json_int_t)acked)));
}

/* --- the rest --- */

static enum MHD_Result public_key(
	struct api *api, struct MHD_Connection *c, const char *url, struct request *rq)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < api->n_keys; i++) {
		char hex[65];
		char *b64 = api_base64(api->keys[i].public_key, 32);

		api_hex(api->keys[i].public_key, 32, hex);
		(void)json_array_append_new(keys,
			json_pack("{s:s, s:s, s:s, s:s}", "kid", api->keys[i].kid, "algorithm",
				"ed25519", "public_key_hex", hex, "public_key_b64", b64));
		free(b64);
	}
	return reply(api, c, "GET", url, "keys", 200,
		success(json_pack("{s:o, s:s, s:[s]}", "keys", keys, "active_kid",
			api->keys[api->active].kid, "usage", "response-signing")));
}

static enum MHD_Result enroll(
	struct api *api, struct MHD_Connection *c, const char *url, struct request *rq)
{
	json_t *v = json_loads(rq->body ? rq->body : "", 0, NULL);
	const char *token = json_string_value(json_object_get(v, "token")),
		   *hex = json_string_value(json_object_get(v, "public_key_hex"));
	bool good = token && strcmp(token, "enroll-me") == 0 &&
		    json_is_string(json_object_get(v, "hostname")) &&
		    json_is_string(json_object_get(v, "agent_version")) &&
		    api_unhex(hex, api->node_key, 32);

	if (good) {
		api->has_node_key = true;
		api_log(api, "nodekey", json_pack("{s:s}", "public_key_hex", hex));
	}
	json_decref(v);
	if (!good)
		return reply(api, c, "POST", url, "enroll", 403,
			failure(403, "FORBIDDEN", "no such enrolment token"));
	return reply(api, c, "POST", url, "enroll", 200,
		success(json_pack("{s:s, s:s, s:o}", "node_id", api->node_id, "node_token",
			api->node_token, "keyset", api_keyset_json(api))));
}

static const struct {
	const char *method, *path; /* %s: the node's id */
	bool open;                 /* without a token */
	enum MHD_Result (*handle)(
		struct api *api, struct MHD_Connection *c, const char *url, struct request *rq);
} routes[] = {
	{ "GET", "/nodes/*/orders", false, get_orders },
	{ "POST", "/nodes/*/reports", false, post_reports },
	{ "POST", "/nodes/*/stats", false, post_stats },
	{ "GET", "/meta/public-key", true, public_key },
	{ "POST", "/nodes/enroll", true, enroll },
};

/* A path with one id in it: the node's own, or anybody's when there is a fleet. */
static bool fits(const struct api *api, const char *pattern, const char *url)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : 0;

	if (strncmp(url, "/api/v1", 7) == 0)
		url += 7;
	if (!star)
		return strcmp(pattern, url) == 0;
	return strncmp(url, pattern, before) == 0 &&
	       (api->fleet ? strspn(url + before, "0123456789abcdef") == API_NODES_ID
			   : strncmp(url + before, api->node_id, API_NODES_ID) == 0) &&
	       strcmp(url + before + API_NODES_ID, star + 1) == 0;
}

static bool has_token(struct api *api, struct MHD_Connection *c)
{
	const char *auth = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	const char *agent = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "User-Agent");

	if (!agent || strncmp(agent, "hoody-agent/", 12) != 0)
		api_violation(api, "a request without User-Agent: hoody-agent/…");
	if (!auth)
		api_violation(api, "a request without Authorization");
	return auth && strncmp(auth, "Bearer ", 7) == 0 && strcmp(auth + 7, api->node_token) == 0;
}

static enum MHD_Result dispatch(struct api *api, struct MHD_Connection *c, const char *method,
	const char *url, struct request *rq)
{
	for (size_t i = 0; i < countof(routes); i++) {
		if (strcmp(routes[i].method, method) != 0 || !fits(api, routes[i].path, url))
			continue;
		if (!routes[i].open && !has_token(api, c))
			return reply(api, c, method, url, "all", 401,
				failure(401, "UNAUTHORIZED", "no such token"));
		return routes[i].handle(api, c, url, rq);
	}
	return reply(api, c, method, url, "all", 404, failure(404, "NOT_FOUND", "no such path"));
}

enum MHD_Result api_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **request)
{
	struct api *api = cls;
	struct request *rq = *request;
	const char *on = strstr(url, "/reports") ? "reports"
			 : strstr(url, "/stats") ? "stats"
						 : "orders";

	if (!rq) {
		*request = xcalloc(1, sizeof(*rq));
		return MHD_YES;
	}
	if (*upload_size > 0) {
		if (rq->size + *upload_size > API_BODY_MAX)
			return MHD_NO;
		rq->body = xrealloc(rq->body, rq->size + *upload_size + 1, 1);
		memcpy(rq->body + rq->size, upload, *upload_size);
		rq->size += *upload_size;
		rq->body[rq->size] = '\0';
		api->n_bytes_in += *upload_size;
		*upload_size = 0;
		return MHD_YES;
	}
	if (misbehaves(api, "hang", on) || misbehaves(api, "delay", on)) {
		(void)poll(NULL, 0,
			(int)MIN_OF(
				api->misbehave.ms, 5000)); /* everybody waits: there is one node */
		if (strcmp(api->misbehave.what, "delay") == 0)
			api->misbehave.count--;
	}
	if (misbehaves(api, "drop", on) && strcmp(on, "orders") == 0) {
		api->misbehave.count--;
		return MHD_NO; /* the connection is closed without a word */
	}
	return dispatch(api, c, method, url, rq);
}

void api_request_completed(
	void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode toe)
{
	struct request *rq = *request;

	if (!rq)
		return;
	assert(!rq->poll);
	free(rq->body);
	free(rq);
	*request = NULL;
}
