/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/distinct.h"

#include "agent/common/agent.h"
#include "agent/engine/unfinished.h"
#include "agent/state/desired.h"
#include "agent/state/keylist.h"
#include "agent/state/store.h"

static const char *param(const struct operation *op, const char *key)
{
	return json_string_value(json_object_get(op->order.params, key));
}

/* Of the container that there is, or is to be. */
static const char *project_of(const struct agent *a, const struct operation *op)
{
	const struct container *c = desired_find(a->desired, op->order.container_id);

	return c ? c->spec.project_id : op->order.project_id;
}

/* --- names --- */

static bool is_named(const struct agent *a, const char *name, const char *project, const char *but)
{
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);

		if (strcmp(c->spec.name, name) == 0 && strcmp(c->spec.id, but) != 0 &&
			strcmp(c->spec.project_id, project) == 0)
			return true;
	}
	return false;
}

static bool will_be_named(const struct agent *a, const struct operation *op, const char *name)
{
	const struct operation *o = NULL;

	while ((o = unfinished_next_begun(a->engine, o))) {
		const char *other = o->order.op == OP_CONTAINER_UPDATE ? param(o, "name") : NULL;

		if (other && o != op && strcmp(other, name) == 0 &&
			strcmp(project_of(a, o), project_of(a, op)) == 0)
			return true;
	}
	return false;
}

static bool may_have_name(struct agent *a, struct operation *op)
{
	const char *name = param(op, "name");

	if (!name || !*name ||
		(!is_named(a, name, project_of(a, op), op->order.container_id) &&
			!will_be_named(a, op, name)))
		return true;
	(void)err_set(&op->err, -EEXIST, ERR_CONTAINER_NAME_IN_USE, "name",
		"another container of the project is named %s", name);
	return false;
}

/* --- keys: one is one whatever its comment says --- */

static bool will_have_key(
	const struct agent *a, const struct operation *op, const char *fingerprint)
{
	const struct operation *o = NULL;

	while ((o = unfinished_next_begun(a->engine, o))) {
		const char *key =
			o->order.op == OP_CONTAINER_UPDATE ? param(o, "ssh_public_key") : NULL;
		char other[KEYLIST_FINGERPRINT_MAX];

		if (key && o != op && keylist_fingerprint(key, other) &&
			strcmp(other, fingerprint) == 0 &&
			strcmp(o->order.container_id, op->order.container_id) != 0)
			return true;
	}
	return false;
}

static bool may_have_key(struct agent *a, struct operation *op)
{
	const char *key = param(op, "ssh_public_key");
	char fingerprint[KEYLIST_FINGERPRINT_MAX];

	if (!key || !keylist_fingerprint(key, fingerprint) ||
		(!keylist_is_others(a->store, fingerprint, op->order.container_id) &&
			!will_have_key(a, op, fingerprint)))
		return true;
	(void)err_set(&op->err, -EEXIST, ERR_SSH_KEY_IN_USE, "ssh_public_key",
		"another container has the key %s", fingerprint);
	return false;
}

/* --- how many --- */

/* Negative: as many as there are. */
static int64_t most_of(struct agent *a, const char *project)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		a->store, "SELECT max_containers FROM projects WHERE id=?1", "t", project);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 && !store_is_null(q, 0) ? store_int(q, 0) : -1;
}

static bool may_have_another(struct agent *a, struct operation *op)
{
	const char *project = op->order.project_id;
	int64_t most = most_of(a, project), n = 0;

	if (most < 0 || desired_find(a->desired, op->order.container_id))
		return true;
	for (size_t i = 0; i < desired_count(a->desired); i++)
		n += strcmp(desired_at(a->desired, i)->spec.project_id, project) == 0;
	if (n < most)
		return true;
	(void)err_set(&op->err, -EDQUOT, ERR_PROJECT_CONTAINER_LIMIT, NULL,
		"the project may have %lld containers, and has %lld", (long long)most,
		(long long)n);
	return false;
}

bool distinct_check(struct agent *a, struct operation *op)
{
	if (a->conf.control.api_url[0])
		return true;
	return may_have_another(a, op) && may_have_name(a, op) && may_have_key(a, op);
}
