/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxy aliases (hoody-api.md section 16). */
#include <sodium.h>

#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/ops/localorder.h"
#include "agent/state/aliaslist.h"
#include "agent/state/desired.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define AUTO_SIZE 24 /* an alias that nobody has chosen: 48 hex digits */

/* Whose container it is for is of its project, whether its target says so or not. */
static void add_project(const struct agent *a, json_t *alias)
{
	const struct container *of =
		desired_find(a->desired, json_string_value(json_object_get(alias, "container_id")));

	if (of && !json_object_get(alias, "project_id"))
		jsonx_set_string(alias, "project_id", of->spec.project_id);
}

void api_alias_list(struct api_call *c)
{
	json_t *list = aliaslist_json(c->agent->store, NULL), *alias;
	size_t i;

	json_array_foreach(list, i, alias)
		add_project(c->agent, alias);
	api_list(c, "aliases", list, NULL);
}

static json_t *find(struct api_call *c)
{
	json_t *alias = aliaslist_get(c->agent->store, c->args[0]);

	if (!alias)
		api_refuse(c, ERR_NOT_FOUND, "id", "there is no alias %s on this node", c->args[0]);
	return alias;
}

void api_alias_get(struct api_call *c)
{
	json_t *alias = find(c);

	if (!alias)
		return;
	add_project(c->agent, alias);
	api_ok(c, 200, "alias", alias);
}

/* Unix seconds or milliseconds, RFC 3339, or null. */
static json_t *time_text(const json_t *v)
{
	char text[IDENT_TIME_LEN + 1];
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return v ? json_incref((json_t *)(uintptr_t)v) : json_null();
	ident_time_format(n < 100000000000LL ? n * 1000 : n, text);
	return json_string(text);
}

/* The order's parameters: the alias as it was under the body. */
static json_t *params_of(struct api_call *c, const char *id, const json_t *old)
{
	static const char *const members[] = { "container_id", "project_id", "program", "port",
		"index", "target_path", "allow_path_override" };
	json_t *target = old ? json_deep_copy(json_object_get(old, "target")) : json_object(), *v;
	json_t *params = jsonx_pack("{s:s, s:o}", "alias_id", id, "target", target);

	for (size_t i = 0; i < countof(members); i++) {
		v = json_object_get(c->body, members[i]);
		if (v)
			jsonx_set(target, members[i], json_incref(v));
	}
	v = json_object_get(c->body, "alias");
	if (json_is_string(v) || !old)
		jsonx_set(params, "alias", json_is_string(v) ? json_incref(v) : json_string(""));
	else
		jsonx_set(params, "alias", json_incref(json_object_get(old, "alias")));
	v = json_object_get(c->body, "enabled");
	jsonx_set(params, "enabled",
		v     ? json_incref(v)
		: old ? json_incref(json_object_get(old, "enabled"))
		      : json_true());
	v = json_object_get(c->body, "expires_at");
	jsonx_set(params, "expires_at",
		v     ? time_text(v)
		: old ? json_incref(json_object_get(old, "expires_at"))
		      : json_null());
	return params;
}

/* The container and its project, as far as the body names them. @of: what it is for without a
 * word. */
static bool may_target(struct api_call *c, const char *of)
{
	const char *id = json_string_value(json_object_get(c->body, "container_id")),
		   *project = json_string_value(json_object_get(c->body, "project_id"));
	const struct container *target = desired_find(c->agent->desired, id ? id : of);

	if (!target && id) {
		api_refuse(c, ERR_CONTAINER_NOT_FOUND, "container_id",
			"container_id must name a container of this node");
		return false;
	}
	return !project || api_project_may_take(c, "project_id", project);
}

void api_alias_create(struct api_call *c)
{
	char id[IDENT_ID_LEN + 1], name[2 * AUTO_SIZE + 1];
	uint8_t random[AUTO_SIZE];
	json_t *params;

	if (!may_target(c, ""))
		return;
	localorder_new_id(id);
	params = params_of(c, id, NULL);
	if (json_string_length(json_object_get(params, "alias")) == 0) {
		randombytes_buf(random, sizeof(random));
		(void)sodium_bin2hex(name, sizeof(name), random, sizeof(random));
		jsonx_set_string(params, "alias", name);
	}
	api_order(c, OP_PROXY_ALIAS, NULL, NULL, params);
}

void api_alias_update(struct api_call *c)
{
	_cleanup_json_ json_t *old = find(c);

	if (old && may_target(c, json_string_value(json_object_get(old, "container_id"))))
		api_order(c, OP_PROXY_ALIAS, NULL, NULL, params_of(c, c->args[0], old));
}

void api_alias_delete(struct api_call *c)
{
	_cleanup_json_ json_t *old = find(c);

	if (old)
		api_order(c, OP_PROXY_ALIAS, NULL, NULL,
			jsonx_pack("{s:s, s:O, s:b, s:n}", "alias_id", c->args[0], "alias",
				json_object_get(old, "alias"), "enabled", 0, "target"));
}
