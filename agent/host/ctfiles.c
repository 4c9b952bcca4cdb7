/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctfiles.h"

#include "agent/common/journald.h"
#include "agent/report/tell.h"
#include "agent/state/envlist.h"
#include "agent/state/keylist.h"
#include "proto/jsonx.h"

json_t *ctfiles_environment(const struct agent *a, const struct container *c)
{
	json_t *vars = envlist_vars(a->store, c->spec.id);

	jsonx_set_string(vars, "HOODY_CONTAINER_ID", c->spec.id);
	jsonx_set_string(vars, "HOODY_PROJECT_ID", c->spec.project_id);
	jsonx_set_string(vars, "HOODY_NODE", a->conf.node.name);
	return vars;
}

json_t *ctfiles_json(const struct agent *a, const struct container *c)
{
	_cleanup_(freep) char *key = keylist_get(a->store, c->spec.id);

	return jsonx_pack("{s:o, s:s?, s:b, s:b}", "env", ctfiles_environment(a, c), "key", key,
		"kit", c->spec.hoody_kit, "lenient", 1);
}

static void note_identity(struct agent *a, const struct container *c, const json_t *result)
{
	const json_t *key = json_object_get(result, "key_installed");
	const char *left_out = json_string_value(json_object_get(result, "left_out"));

	if (key)
		keylist_set_installed(a->store, c->spec.id, json_is_true(key), agent_now_ms());
	if (left_out)
		LOG(LOG_WARNING, FILES_LEFT_OUT, FIELDS(.container_id = c->spec.id),
			"container %s has not all of the platform's files: %s", c->spec.id,
			left_out);
}

void ctfiles_note(struct agent *a, const struct container *c, const json_t *result)
{
	const json_t *env = json_object_get(result, "env");
	const char *code = json_string_value(json_object_get(env, "error"));
	_cleanup_json_ json_t *before = NULL;
	const char *known;

	note_identity(a, c, result);
	if (!env)
		return;
	before = envlist_sync(a->store, c->spec.id);
	known = json_string_value(json_object_get(before, "last_error"));
	envlist_attempted(a->store, c->spec.id, code, agent_now_ms());
	if (!code && json_is_true(json_object_get(before, "pending")))
		tell_env(a, c, "applied",
			jsonx_pack("{s:o}", "env_sync", envlist_sync(a->store, c->spec.id)));
	if (code && json_integer_value(json_object_get(before, "revision")) > 0 &&
		(!known || strcmp(known, code) != 0))
		tell_env(a, c, "failed",
			jsonx_pack("{s:s, s:O}", "last_error", code, "message",
				json_object_get(env, "message")));
}
