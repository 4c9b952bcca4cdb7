/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call of the local API from request to answer. It is in the list of calls while it waits or
 * is a stream; the answer, or the client's going, frees it, so that whoever finishes work for it
 * later has to find it again. A handler answers once, now or later, or makes it a stream.
 *
 * A request is judged in this order: is it below /api/v1, is there a route for path and method
 * (else 405 with those that there are), could its body be read, has the body the route's form.
 * Then its handler has it. Both published envelopes are in each answer.
 *
 * HTTP is the portal's (agent/portal/portal_main.c); who may ask has been judged in
 * agent/api/portal.c, and what an order may say is for the order's own checks. */
#include "agent/api/api.h"

#include <stdarg.h>

#include "agent/api/api_query.h"
#include "agent/api/portal.h"
#include "agent/engine/worker.h"
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
		(void)json_object_set_new(headers, header, json_string(value));
	portal_answer(c->agent->portal, c->id, status, headers, body);
	call_free(c);
}

/* Both published envelopes in one: {success, data} and {statusCode, message, data}. */
void api_ok_with(struct api_call *c, int status, const char *message, json_t *data_steals,
	const char *header, const char *value)
{
	json_t *body = json_pack("{s:b, s:i, s:s, s:o}", "success", 1, "statusCode", status,
		"message", message, "data", data_steals);
	const json_t *p = json_object_get(data_steals, "pagination");

	if (p)
		(void)json_object_set_new(body, "meta",
			json_pack("{s:O, s:O, s:O}", "page", json_object_get(p, "page"), "per_page",
				json_object_get(p, "limit"), "total", json_object_get(p, "total")));
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
		(void)json_object_set_new(data, "field", json_string(err->field));
	if (err->status[0])
		(void)json_object_set_new(data, "status", json_string(err->status));
	answer(c, status,
		json_pack("{s:b, s:i, s:s, s:s, s:o}", "success", 0, "statusCode", status, "error",
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
	_cleanup_json_ json_t *headers = json_pack("{s:s}", "Content-Type", content_type);
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

const char *api_query(const struct api_call *c, const char *name)
{
	return json_string_value(json_object_get(c->query, name));
}

static bool query_number(struct api_call *c, const char *name, int64_t max, int64_t *ret)
{
	const char *s = api_query(c, name);
	char *end;

	if (!s)
		return true;
	*ret = strtoll(s, &end, 10);
	if (*s >= '0' && *s <= '9' && !*end && *ret >= 1 && *ret <= max)
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, name, "%s must be a number from 1 to %lld", name,
		(long long)max);
	return false;
}

bool api_page(struct api_call *c, int64_t limit, int64_t max, int64_t *ret_page, int64_t *ret_limit)
{
	*ret_page = 1;
	*ret_limit = limit;
	return query_number(c, "page", INT32_MAX, ret_page) &&
	       query_number(c, "limit", max, ret_limit);
}

bool api_sort_order(struct api_call *c, bool *ret_ascending)
{
	const char *order = api_query(c, "sort_order");

	if (order)
		*ret_ascending = strcmp(order, "asc") == 0;
	if (!order || *ret_ascending || strcmp(order, "desc") == 0)
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, "sort_order", "sort_order must be asc or desc");
	return false;
}

void api_list(struct api_call *c, const char *name, json_t *all_steals)
{
	_cleanup_json_ json_t *all = all_steals;
	json_t *rows = json_array();
	int64_t page, limit, total;

	api_query_filter(c->route->path, c->query, all);
	total = (int64_t)json_array_size(all);
	if (!api_page(c, API_LIST_LIMIT, API_LIST_MAX, &page, &limit)) {
		json_decref(rows);
		return;
	}
	for (int64_t i = (page - 1) * limit; i < page * limit && i < total; i++)
		(void)json_array_append(rows, json_array_get(all, (size_t)i));
	api_ok(c, 200, name,
		json_pack("{s:o, s:o}", name, rows, "pagination",
			api_pagination(total, page, limit)));
}

json_t *api_pagination(int64_t total, int64_t page, int64_t limit)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)total, "page",
		(json_int_t)page, "limit", (json_int_t)limit, "totalPages",
		(json_int_t)((total + limit - 1) / limit));
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
		json_pack("{s:b, s:i, s:s, s:s, s:{s:s}}", "success", 0, "statusCode", 405, "error",
			"METHOD_NOT_ALLOWED", "message", "this path has other methods", "data",
			"allow", allow),
		"Allow", allow);
}

/* A body that couldn't be read; a member that stands twice in it is named. */
static void complain(struct api_call *c, const char *complaint)
{
	const char *twice = json_string_value(json_object_get(c->request, "twice"));

	api_refuse(c, ERR_INVALID_PARAMS, twice ? twice : "body", "%s", complaint);
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
	const char *complaint = json_string_value(json_object_get(request_steals, "complaint"));
	char allow[API_ALLOW_MAX];
	struct err err = {};

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
	if (c->route && complaint)
		complain(c, complaint);
	else if (c->route && strcmp(c->method, "GET") != 0 &&
		 api_form_check(c->route->form, c->body, &err) < 0)
		api_fail(c, &err, NULL);
	else if (c->route && strcmp(c->method, "GET") == 0 &&
		 api_query_check(c->route->path, c->query, &err) < 0)
		api_fail(c, &err, NULL);
	else if (c->route)
		c->route->handle(c);
	else if (*allow)
		wrong_method(c, allow);
	else
		api_refuse(c, ERR_NOT_FOUND, NULL, "the API has no such path");
}
