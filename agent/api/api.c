/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call of the local API from request to answer. It is in the list of calls while it waits or
 * is a stream; the answer, or the client's going, frees it, so that whoever finishes work for it
 * later has to find it again. A handler answers once, now or later, or makes it a stream.
 *
 * A request is judged in this order: is it below /api/v1, is there a route for path and method
 * (else 405 with those that there are), could query and body be read, have they the route's forms.
 * Then its handler has it. Both published envelopes are in each answer.
 *
 * HTTP is the portal's (agent/portal/portal_main.c); who may ask has been judged in
 * agent/api/portal.c, and what an order may say is for the order's own checks. */
#include "agent/api/api.h"

#include <stdarg.h>

#include "agent/api/api_query.h"
#include "agent/api/portal.h"
#include "agent/engine/worker.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define STREAMS_MAX 64

struct api {
	struct api_call *calls; /* not answered yet, or streams */
	unsigned streams;
	const struct api_route *routes;
	size_t n_routes;
};

struct api *api_new(const struct api_route *routes, size_t n)
{
	struct api *api = xcalloc(1, sizeof(*api));

	api->routes = routes;
	api->n_routes = n;
	return api;
}

static void call_free(struct api_call *c)
{
	struct api *api = c->agent->api;

	if (c->prev)
		c->prev->next = c->next;
	else
		api->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	api->streams -= c->streaming;
	json_decref(c->answer);
	json_decref(c->meta);
	json_decref(c->request);
	sd_event_source_disable_unref(c->patience);
	if (c->parked)
		order_done(c->parked);
	free(c->parked);
	c->worker = worker_release(c->worker);
	free(c);
}

struct api *api_free(struct api *api)
{
	if (api)
		while (api->calls)
			call_free(api->calls);
	free(api);
	return NULL;
}

/* --- answers --- */

static void answer(
	struct api_call *c, int status, json_t *body_steals, const char *header, const char *value)
{
	_cleanup_json_ json_t *headers = json_object(), *body = body_steals;

	if (header)
		jsonx_set_string(headers, header, value);
	portal_answer(c->agent->portal, c->id, status, headers, body);
	call_free(c);
}

/* Both published envelopes in one: {success, data} and {statusCode, message, data}. */
void api_ok_with(struct api_call *c, int status, const char *message, json_t *data_steals,
	const char *header, const char *value)
{
	json_t *body = jsonx_pack("{s:b, s:i, s:s, s:o}", "success", 1, "statusCode", status,
		"message", message, "data", data_steals);

	if (c->meta)
		jsonx_set(body, "meta", json_incref(c->meta));
	answer(c, status, body, header, value);
}

void api_ok(struct api_call *c, int status, const char *message, json_t *data_steals)
{
	api_ok_with(c, status, message, data_steals, NULL, NULL);
}

/* A bad parameter goes by its published code. */
static const char *code_of(const struct err *err)
{
	if (err->reason[0])
		return err->reason;
	return err->code == ERR_INVALID_PARAMS ? "VALIDATION_ERROR" : err_wire(err->code);
}

void api_fail(struct api_call *c, const struct err *err, json_t *data_steals)
{
	json_t *data = data_steals ? data_steals : json_object();
	int status = err_http(err->code);

	if (err->field[0])
		jsonx_set_string(data, "field", err->field);
	if (err->status[0])
		jsonx_set_string(data, "status", err->status);
	errjson_limit(err, data);
	answer(c, status,
		jsonx_pack("{s:b, s:i, s:s, s:s, s:o}", "success", 0, "statusCode", status, "error",
			code_of(err), "message",
			err->message[0] ? err->message : err_sentence(err->code), "data", data),
		err->code == ERR_OPERATION_IN_PROGRESS ? "Retry-After" : NULL, "1");
}

void api_refuse(struct api_call *c, enum errcode code, const char *field, const char *fmt, ...)
{
	struct err err = {};
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(&err, -EINVAL, code, field, "%s", text);
	api_fail(c, &err, NULL);
}

void api_text(struct api_call *c, const char *content_type, const char *text)
{
	_cleanup_json_ json_t *headers = jsonx_pack("{s:s}", "Content-Type", content_type);
	_cleanup_json_ json_t *body = json_string(text);

	portal_answer(c->agent->portal, c->id, 200, headers, body);
	call_free(c);
}

/* --- streams --- */

bool api_stream(struct api_call *c, const char *operation_id)
{
	struct api *api = c->agent->api;

	if (api->streams >= STREAMS_MAX) {
		api_refuse(c, ERR_TOO_MANY, NULL, "%d event streams are open, which is the most",
			STREAMS_MAX);
		return false;
	}
	c->streaming = true;
	api->streams++;
	(void)snprintf(c->follows, sizeof(c->follows), "%s", operation_id ? operation_id : "");
	portal_stream(c->agent->portal, c->id);
	return true;
}

void api_stream_send(struct api_call *c, const char *event, const json_t *data, bool last)
{
	_cleanup_(freep) char *json = jsonx_dump(data);
	const char *id = json_string_value(json_object_get(data, "id"));
	_cleanup_(freep) char *text = xasprintf("event: %s\n%s%s%sdata: %s\n\n", event,
		id ? "id: " : "", id ? id : "", id ? "\n" : "", json);

	portal_chunk(c->agent->portal, c->id, text, last);
	if (last)
		call_free(c);
}

void api_publish(
	struct agent *a, const char *operation_id, const char *event, const json_t *data, bool last)
{
	struct api_call *next;

	for (struct api_call *c = a->api->calls; c; c = next) {
		next = c->next;
		if (c->streaming && strcmp(c->follows, operation_id ? operation_id : "") == 0)
			api_stream_send(c, event, data, last && operation_id);
	}
}

bool api_is_followed(const struct agent *a)
{
	return a->api->streams > 0;
}

struct api_call *api_first(const struct agent *a)
{
	return a->api->calls;
}

void api_gone(struct agent *a, uint64_t id)
{
	for (struct api_call *c = a->api->calls; c; c = c->next)
		if (c->id == id) {
			call_free(c);
			return;
		}
}

void api_all_gone(struct agent *a)
{
	while (a->api->calls)
		call_free(a->api->calls);
}

/* --- what handlers ask --- */

static const json_t *asked(const struct api_call *c, const char *name)
{
	return json_object_get(c->query, name);
}

const char *api_query(const struct api_call *c, const char *name)
{
	return json_string_value(asked(c, name));
}

int64_t api_query_number(const struct api_call *c, const char *name)
{
	return json_integer_value(asked(c, name));
}

bool api_query_flag(const struct api_call *c, const char *name)
{
	return json_is_true(asked(c, name));
}

int64_t api_offset(const struct api_call *c)
{
	return (api_query_number(c, "page") - 1) * api_query_number(c, "limit");
}

void api_list(struct api_call *c, const char *name, json_t *all_steals, json_t *data_steals)
{
	_cleanup_json_ json_t *all = api_query_rows(c->route->form, c->query, all_steals);
	json_t *rows = json_array();
	int64_t total = (int64_t)json_array_size(all), from = api_offset(c);

	for (int64_t i = from; i < from + api_query_number(c, "limit") && i < total; i++)
		(void)json_array_append(rows, json_array_get(all, (size_t)i));
	api_page(c, name, rows, total, data_steals);
}

static json_t *meta(json_int_t page, json_int_t per_page, json_int_t total)
{
	return jsonx_pack("{s:I, s:I, s:I}", "page", page, "per_page", per_page, "total", total);
}

/* Both published ways to say which page it is. */
void api_page(struct api_call *c, const char *name, json_t *rows_steals, int64_t total,
	json_t *data_steals)
{
	json_t *data = data_steals ? data_steals : json_object();
	json_int_t page = api_query_number(c, "page"), limit = api_query_number(c, "limit");

	jsonx_set(data, name, rows_steals);
	jsonx_set(data, "pagination",
		jsonx_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)total, "page", page,
			"limit", limit, "totalPages", (total + limit - 1) / limit));
	c->meta = meta(page, limit, total);
	api_ok(c, 200, name, data);
}

void api_whole(struct api_call *c, size_t n)
{
	c->meta = meta(1, (json_int_t)(n ? n : 1), (json_int_t)n);
}

struct container *api_container(struct api_call *c)
{
	struct container *found;

	if (!ident_is_id(c->args[0])) {
		api_refuse(c, ERR_INVALID_ID, "id", "an id is 24 lowercase hex characters");
		return NULL;
	}
	found = desired_find(c->agent->desired, c->args[0]);
	if (!found)
		api_refuse(c, ERR_CONTAINER_NOT_FOUND, "id",
			"there is no container %s on this node", c->args[0]);
	return found;
}

/* --- requests --- */

/* "PUT|PATCH" */
static bool is_method(const struct api_route *r, const char *method)
{
	size_t len = strlen(method);

	for (const char *m = r->method;; m += strcspn(m, "|") + 1) {
		if (strcspn(m, "|") == len && strncmp(m, method, len) == 0)
			return true;
		if (!strchr(m, '|'))
			return false;
	}
}

/* The path of a route, segment by segment, against the request's. A last empty segment (a slash at
 * the end) is none. */
static bool is_path(const struct api_route *r, const json_t *path, char args[][API_ARG_MAX])
{
	const char *p = r->path;
	size_t n = json_array_size(path), i = API_PREFIX_LEN, n_args = 0;

	if (n > API_PREFIX_LEN && json_string_length(json_array_get(path, n - 1)) == 0)
		n--;
	for (; *p == '/'; i++) {
		const char *segment = json_string_value(json_array_get(path, i));
		size_t len = strcspn(++p, "/");

		if (i >= n || !segment)
			return false;
		if (*p == '{') {
			if (n_args == API_ARGS_MAX || strlen(segment) >= API_ARG_MAX || !*segment)
				return false;
			strcpy(args[n_args++], segment);
		} else if (strlen(segment) != len || strncmp(segment, p, len) != 0) {
			return false;
		}
		p += len;
	}
	return i == n;
}

static bool has_prefix(const json_t *path)
{
	const char *api = json_string_value(json_array_get(path, 0)),
		   *v1 = json_string_value(json_array_get(path, 1));

	return api && v1 && strcmp(api, "api") == 0 && strcmp(v1, "v1") == 0;
}

const struct api_route *api_find_route(const struct api_route *routes, size_t n, const char *method,
	const json_t *path, char ret_args[API_ARGS_MAX][API_ARG_MAX],
	char ret_allow[static API_ALLOW_MAX])
{
	size_t used = 0;

	*ret_allow = '\0';
	for (size_t i = 0; has_prefix(path) && i < n; i++) {
		const struct api_route *r = &routes[i];

		if (!is_path(r, path, ret_args))
			continue;
		if (is_method(r, method))
			return r;
		for (const char *m = r->method; *m && used + 12 < API_ALLOW_MAX; m++)
			if (m == r->method || m[-1] == '|')
				used += (size_t)snprintf(ret_allow + used, API_ALLOW_MAX - used,
					"%s%.*s", used ? ", " : "", (int)strcspn(m, "|"), m);
	}
	return NULL;
}

static void wrong_method(struct api_call *c, const char *allow)
{
	answer(c, 405,
		jsonx_pack("{s:b, s:i, s:s, s:s, s:{s:s}}", "success", 0, "statusCode", 405,
			"error", "METHOD_NOT_ALLOWED", "message", "this path has other methods",
			"data", "allow", allow),
		"Allow", allow);
}

/* A query or body that couldn't be read; what stands twice in it is named. */
static bool complain(struct api_call *c)
{
	const char *complaint = json_string_value(json_object_get(c->request, "complaint")),
		   *twice = json_string_value(json_object_get(c->request, "twice")),
		   *asked_twice = json_string_value(json_object_get(c->request, "asked_twice"));

	if (asked_twice)
		api_refuse(c, ERR_INVALID_PARAMS, asked_twice, "%s stands twice in the query",
			asked_twice);
	else if (complaint)
		api_refuse(c, ERR_INVALID_PARAMS, twice ? twice : "body", "%s", complaint);
	return asked_twice || complaint;
}

/* Are query and body what the route takes? False: refused. */
static bool has_form(struct api_call *c)
{
	enum api_form form = c->route->form, none = form == API_FORM_UNREAD ? form : API_FORM_NONE;
	bool get = strcmp(c->method, "GET") == 0;
	struct err err = {};
	json_t *query;

	if (api_form_query(get ? form : none, c->query, &query, &err) < 0) {
		api_fail(c, &err, NULL);
		return false;
	}
	jsonx_set(c->request, "query", query);
	c->query = query;
	if (api_form_check(get ? none : form, c->body, &err) == 0)
		return true;
	api_fail(c, &err, NULL);
	return false;
}

static int wait_of(const json_t *request)
{
	const json_t *v = json_object_get(request, "wait");

	return json_is_integer(v) ? (int)json_integer_value(v) : -1;
}

void api_request(struct agent *a, uint64_t id, uid_t uid, json_t *request_steals)
{
	struct api_call *c = xcalloc(1, sizeof(*c));
	const json_t *path = json_object_get(request_steals, "path");
	char allow[API_ALLOW_MAX];

	c->agent = a;
	c->id = id;
	c->uid = uid;
	c->request = request_steals;
	c->method = json_string_value(json_object_get(request_steals, "method"));
	if (strcmp(c->method, "HEAD") == 0)
		c->method = "GET"; /* whose body libmicrohttpd leaves out */
	c->query = json_object_get(request_steals, "query");
	c->body = json_object_get(request_steals, "body");
	c->if_match = json_string_value(json_object_get(request_steals, "if_match"));
	c->async = json_is_true(json_object_get(request_steals, "async"));
	c->wait_s = wait_of(request_steals);
	c->stream = json_is_true(json_object_get(request_steals, "stream"));
	c->next = a->api->calls;
	if (c->next)
		c->next->prev = c;
	a->api->calls = c;
	if (!has_prefix(path)) {
		api_refuse(
			c, ERR_NOT_FOUND, NULL, "there is nothing here: paths begin with /api/v1");
		return;
	}
	c->route =
		api_find_route(a->api->routes, a->api->n_routes, c->method, path, c->args, allow);
	if (!c->route && *allow)
		wrong_method(c, allow);
	else if (!c->route)
		api_refuse(c, ERR_NOT_FOUND, NULL, "the API has no such path");
	else if (!complain(c) && has_form(c))
		c->route->handle(c);
}
