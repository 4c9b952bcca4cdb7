/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Projects (hoody-api.md section 5). On a node a project is what its containers name; one that was
 * made here, which only a standalone node does, has a row with its alias. */
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/ops/localorder.h"
#include "agent/state/desired.h"
#include "agent/state/notelist.h"
#include "agent/state/store.h"
#include "proto/jsonx.h"
#include "proto/opfield.h"

bool api_project_is_standalone(const struct agent *a)
{
	return a->conf.control.api_url[0] == '\0';
}

static size_t containers_of(struct desired *d, const char *project_id)
{
	size_t n = 0;

	for (size_t i = 0; i < desired_count(d); i++)
		n += strcmp(desired_at(d, i)->spec.project_id, project_id) == 0;
	return n;
}

#define COLUMNS "id, alias, color, created_ms, changed_ms, max_containers, realm_ids"

static json_t *project_json(struct agent *a, const char *id, struct store_stmt *q)
{
	json_t *v = jsonx_pack("{s:s, s:n, s:n, s:I, s:n, s:[]}", "id", id, "alias", "color",
		"container_count", (json_int_t)containers_of(a->desired, id), "max_containers",
		"realm_ids");

	if (!q)
		return v;
	if (store_text(q, 1)[0])
		jsonx_set_string(v, "alias", store_text(q, 1));
	if (!store_is_null(q, 2))
		jsonx_set_string(v, "color", store_text(q, 2));
	jsonx_set(v, "created_at", jsonx_time(store_int(q, 3)));
	jsonx_set(v, "updated_at", jsonx_time(store_int(q, 4)));
	if (!store_is_null(q, 5))
		jsonx_set_int(v, "max_containers", store_int(q, 5));
	if (!store_is_null(q, 6))
		jsonx_set(v, "realm_ids", json_loads(store_text(q, 6), 0, NULL));
	return v;
}

/* NULL: it has no row. */
static json_t *with_row(struct agent *a, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(a->store, "SELECT " COLUMNS " FROM projects WHERE id=?1", "t", id);
	int r = store_step(q);

	store_must(r);
	return r > 0 ? project_json(a, id, q) : NULL;
}

static json_t *find(struct agent *a, const char *id)
{
	json_t *v = with_row(a, id);

	if (!v && containers_of(a->desired, id) > 0)
		v = project_json(a, id, NULL);
	return v;
}

bool api_project_is_known(struct api_call *c)
{
	json_t *v;

	if (!ident_is_id(c->args[0])) {
		api_refuse(c, ERR_INVALID_ID, "id", "an id is 24 lowercase hex characters");
		return false;
	}
	v = find(c->agent, c->args[0]);
	if (!v)
		api_refuse(c, ERR_PROJECT_NOT_FOUND, "id", "there is no project %s on this node",
			c->args[0]);
	json_decref(v);
	return v;
}

bool api_project_may_have(struct api_call *c)
{
	if (!api_project_is_standalone(c->agent) && ident_is_id(c->args[0]))
		return true;
	return api_project_is_known(c);
}

bool api_project_may_take(struct api_call *c, const char *field, const char *id)
{
	_cleanup_json_ json_t *v = find(c->agent, id);

	if (v || (!api_project_is_standalone(c->agent) && ident_is_id(id)))
		return true;
	api_refuse(c, ERR_PROJECT_NOT_FOUND, field, "there is no project %s on this node", id);
	return false;
}

void api_project_get(struct api_call *c)
{
	if (api_project_is_known(c))
		api_ok(c, 200, "project", find(c->agent, c->args[0]));
}

/* Rows first, then those that only containers name. */
static json_t *all(struct agent *a)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		a->store, "SELECT " COLUMNS " FROM projects ORDER BY created_ms, id", "");
	_cleanup_json_ json_t *seen = json_object();
	json_t *list = json_array();
	int r;

	while ((r = store_step(q)) > 0) {
		const char *id = store_text(q, 0);

		jsonx_set_bool(seen, id, true);
		(void)json_array_append_new(list, project_json(a, id, q));
	}
	store_must(r);
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const char *id = desired_at(a->desired, i)->spec.project_id;

		if (json_object_get(seen, id))
			continue;
		jsonx_set_bool(seen, id, true);
		(void)json_array_append_new(list, project_json(a, id, NULL));
	}
	return list;
}

void api_project_list(struct api_call *c)
{
	api_list(c, "projects", all(c->agent), NULL);
}

/* --- changes --- */

static bool read_alias(struct api_call *c, bool required, const char **ret)
{
	const json_t *v = json_object_get(c->body, "alias");

	*ret = json_string_value(v);
	if ((!v && !required) || (*ret && opfield_is_plain(*ret)))
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, "alias", "alias must not contain control characters");
	return false;
}

/* Of one user's projects no two have one alias (the public schema, section 19): a standalone node
 * has one user. Those that only containers name have none. */
static bool is_apart(struct api_call *c, const char *id, const char *alias)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(c->agent->store,
		"SELECT id FROM projects WHERE alias=?1 AND id<>?2", "tt", alias, id);
	int r = store_step(q);

	store_must(r);
	if (r > 0)
		api_refuse(c, ERR_ALIAS_IN_USE, "alias", "project %s has the alias %s",
			store_text(q, 0), alias);
	return r == 0;
}

static bool read_color(struct api_call *c)
{
	const char *s = json_string_value(json_object_get(c->body, "color"));

	if (!s || opfield_color.is(s))
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, "color", "color must be %s", opfield_color.must);
	return false;
}

static bool read_realms(struct api_call *c)
{
	const json_t *list = json_object_get(c->body, "realm_ids"), *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		_cleanup_(freep) char *field = xasprintf("realm_ids[%zu]", i);

		if (ident_is_id(json_string_value(v)))
			continue;
		api_refuse(c, ERR_INVALID_PARAMS, field, "%s must be %s", field, opfield_id.must);
		return false;
	}
	return true;
}

/* Null takes color and number away. */
static void take_optional(struct api_call *c, const char *id)
{
	const json_t *color = json_object_get(c->body, "color"),
		     *most = json_object_get(c->body, "max_containers"),
		     *realms = json_object_get(c->body, "realm_ids");
	_cleanup_json_ json_t *shown = notelist_color(json_string_value(color));
	int64_t n = json_integer_value(most);

	if (color)
		store_must(store_exec(c->agent->store, "UPDATE projects SET color=?2 WHERE id=?1",
			"tt", id, json_string_value(shown)));
	if (most)
		store_must(store_exec(c->agent->store,
			"UPDATE projects SET max_containers=?2 WHERE id=?1", "to", id,
			json_is_null(most) ? NULL : &n));
	if (realms) {
		_cleanup_(freep) char *text = jsonx_canonical(realms);

		store_must(store_exec(c->agent->store,
			"UPDATE projects SET realm_ids=?2 WHERE id=?1", "tt", id, text));
	}
}

void api_project_create(struct api_call *c)
{
	char id[IDENT_ID_LEN + 1];
	const char *alias;
	int64_t now_ms = agent_now_ms();

	if (!api_project_is_standalone(c->agent)) {
		api_refuse(c, ERR_NOT_OF_THE_NODE, NULL,
			"this node belongs to a control API, which makes projects");
		return;
	}
	if (!read_alias(c, /* required= */ true, &alias) || !read_color(c) || !read_realms(c))
		return;
	localorder_new_id(id);
	if (!is_apart(c, id, alias))
		return;
	store_must(store_exec(c->agent->store,
		"INSERT INTO projects(id, alias, created_ms, changed_ms) VALUES(?1, ?2, ?3, ?3)",
		"tti", id, alias, now_ms));
	take_optional(c, id);
	api_ok(c, 201, "created", find(c->agent, id));
}

void api_project_update(struct api_call *c)
{
	const char *alias;

	if (!api_project_is_known(c) || !read_alias(c, /* required= */ false, &alias) ||
		!read_color(c) || !read_realms(c))
		return;
	if (!api_project_is_standalone(c->agent)) {
		api_refuse(c, ERR_NOT_OF_THE_NODE, NULL,
			"this node belongs to a control API, which keeps projects");
		return;
	}
	if (alias && !is_apart(c, c->args[0], alias))
		return;
	store_must(store_exec(c->agent->store,
		"INSERT INTO projects(id, alias, created_ms, changed_ms) VALUES(?1, coalesce(?2, "
		"''), ?3, ?3) ON CONFLICT(id) DO UPDATE SET alias=coalesce(?2, alias), "
		"changed_ms=?3",
		"tti", c->args[0], alias, agent_now_ms()));
	take_optional(c, c->args[0]);
	api_ok(c, 200, "updated", find(c->agent, c->args[0]));
}

void api_project_delete(struct api_call *c)
{
	if (api_project_is_known(c))
		api_order(c, OP_PROJECT_DELETE, NULL, c->args[0], json_object());
}
