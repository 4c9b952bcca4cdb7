/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the portal asks, as the agent reads it, up to the order that it becomes, or the rows of a
 * list that its query asks for: a taken-over portal may say anything. Every request is refused with
 * a code and a sentence, or its order is one that an order's checks let pass; and a query gives
 * those rows that it asks for, in its order. */
#include <sodium.h>

#include "agent/api/api.h"
#include "agent/api/api_body.h"
#include "agent/api/api_query.h"
#include "agent/api/portal.h"
#include "agent/ops/localorder.h"
#include "proto/jsonx.h"
#include "tests/fuzz/fuzz.h"

#define PROJECT "aabbccddeeff001122334455"
#define ROWS    12

static struct agent *an_agent(void)
{
	static struct agent a;

	if (!a.conf.node.node_id) {
		conf_defaults(&a.conf);
		if (sodium_init() < 0)
			abort();
	}
	return &a;
}

static void check_order(const struct api_call *c, const struct order *o)
{
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	assert(o->op == c->route->op && json_is_object(o->params));
	assert(oprules_timeout_s(o->op, o->params) >= 1 &&
		oprules_timeout_s(o->op, o->params) <= 600);
	oprules_lanes(o->op, o->container_id, o->project_id, o->params, &lanes);
	assert(lanes.n >= 1);
}

/* As api_order_container does it. */
static void order(struct api_call *c)
{
	bool of_container = strncmp(c->route->path, "/containers/", 12) == 0;
	struct err err = {};
	_cleanup_json_ json_t *params = NULL;
	_cleanup_order_ struct order o = {};

	if (of_container && !ident_is_id(c->args[0]))
		return;
	params = api_body_params(c->route->op, c, &err);
	if (params && localorder_make(c->agent, c->route->op, of_container ? c->args[0] : NULL,
			      PROJECT, params, &o, &err) == 0)
		check_order(c, &o);
	else
		assert(err.code != ERR_NONE && *err.message);
}

/* With every member that lists are sorted and chosen by, as what it may be. */
static json_t *some_rows(void)
{
	static const char *const members[] = { "alias", "label", "status", "enabled", "os",
		"target_type", "created_at", "expires_at", "program" };
	json_t *rows = json_array();

	for (size_t i = 0; i < ROWS; i++) {
		char id[] = { (char)('a' + (char)(i * 5 % ROWS)), '\0' };
		json_t *row = json_object();

		jsonx_set_string(row, "id", id);
		for (size_t m = 0; m < countof(members); m++) {
			json_t *values[] = { json_string("active"), json_string("Ab"), json_true(),
				json_integer((json_int_t)i), json_null(), NULL };
			size_t which = (i + m) % countof(values);

			if (values[which])
				(void)json_object_set(row, members[m], values[which]);
			for (size_t v = 0; v < countof(values); v++)
				json_decref(values[v]);
		}
		(void)json_array_append_new(rows, row);
	}
	return rows;
}

/* As api.c does it, before a handler sees the query. */
static void query(const struct api_call *c)
{
	_cleanup_json_ json_t *read = NULL, *rows = NULL, *again = NULL;
	struct err err = {};
	enum api_form form = c->route->form;

	if (api_form_query(form, c->query, &read, &err) < 0) {
		assert(err.code != ERR_NONE && *err.message);
		return;
	}
	assert(api_form_check(form, read, &err) == 0); /* what it has added is judged as well */
	rows = api_query_rows(form, read, some_rows());
	assert(json_array_size(rows) <= ROWS);
	again = api_query_rows(form, read, json_copy(rows));
	assert(json_equal(rows, again)); /* asked twice, it is the same */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *request = portal_read_request(data, size);
	struct api_call c = { .agent = an_agent() };
	char allow[API_ALLOW_MAX];

	if (!request)
		return 0;
	c.method = json_string_value(json_object_get(request, "method"));
	c.query = json_object_get(request, "query");
	c.body = json_object_get(request, "body");
	c.route = api_find_route(api_routes, api_routes_count, c.method,
		json_object_get(request, "path"), c.args, allow);
	assert(strlen(allow) < sizeof(allow));
	for (size_t i = 0; i < API_ARGS_MAX; i++)
		assert(strnlen(c.args[i], API_ARG_MAX) < API_ARG_MAX);
	if (c.route && c.route->op != OP_NONE)
		order(&c);
	else if (c.route && strcmp(c.method, "GET") == 0)
		query(&c);
	return 0;
}
