/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshot.* ops. A restored container runs, whatever it did before (PROTOCOL.md section 5). */
#include <ctype.h>
#include <time.h>

#include "agent/host/ctmounts.h"
#include "agent/host/ctnet.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/ops/ownorder.h"
#include "agent/ops/reaper.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "agent/state/snaplist.h"
#include "proto/jsonx.h"

#define DAY_MS (24LL * 3600 * 1000)

static const char *param(const struct operation *op, const char *key)
{
	return json_string_value(json_object_get(op->order.params, key));
}

/* Its alias without what a name can't have, or when it was ordered. */
static void derive_name(const struct operation *op, char ret[static SNAPLIST_NAME_MAX + 1])
{
	const char *alias = param(op, "alias");
	time_t at = (time_t)(op->received_ms / 1000);
	struct tm tm;
	size_t n = 0;

	for (; alias && *alias && n < SNAPLIST_NAME_MAX; alias++)
		if (isalnum((unsigned char)*alias) || *alias == '_' || (*alias == '-' && n > 0))
			ret[n++] = *alias;
	ret[n] = '\0';
	if (n == 0)
		(void)strftime(ret, SNAPLIST_NAME_MAX, "snap-%Y%m%d-%H%M%S", gmtime_r(&at, &tm));
}

static bool has_snapshot(struct agent *a, struct operation *op)
{
	if (snaplist_has(a->store, op->order.container_id, param(op, "name")))
		return true;
	(void)err_set(&op->err, -ENOENT, ERR_SNAPSHOT_NOT_FOUND, "name",
		"the container has no snapshot of the name %s", param(op, "name"));
	return false;
}

static void show(struct agent *a, struct operation *op, const char *name)
{
	json_decref(op->result);
	op->result = jsonx_pack(
		"{s:o?}", "snapshot", snaplist_one(a->store, op->order.container_id, name));
}

static json_t *named(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:s}", "name", param(op, "name"));
}

/* --- create --- */

static enum opdef_verdict create_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v =
		opstate_check(a, op, OPSTATE(RUNNING) | OPSTATE(PAUSED) | OPSTATE(STOPPED));
	const json_t *limit = json_object_get(op->order.params, "limit");
	int64_t count;
	char name[SNAPLIST_NAME_MAX + 1];

	if (v != OPDEF_RUN)
		return v;
	count = snaplist_count(a->store, op->order.container_id);
	derive_name(op, name);
	if (limit && count >= json_integer_value(limit)) {
		(void)err_set(&op->err, -EDQUOT, ERR_CONTAINER_SNAPSHOT_LIMIT,
			"container_snapshot_limit",
			"the container has %lld snapshots, and may have %lld", (long long)count,
			(long long)json_integer_value(limit));
		op->err.have = count;
		op->err.may = json_integer_value(limit);
		return OPDEF_REFUSED;
	}
	if (snaplist_has(a->store, op->order.container_id, name)) {
		(void)err_set(&op->err, -EEXIST, ERR_SNAPSHOT_EXISTS, "name",
			"a snapshot of the name %s exists", name);
		return OPDEF_REFUSED;
	}
	return OPDEF_RUN;
}

static json_t *create_params(struct agent *a, const struct operation *op)
{
	char name[SNAPLIST_NAME_MAX + 1];

	derive_name(op, name);
	return jsonx_pack("{s:s, s:b}", "name", name, "running", op->prev_status == CT_RUNNING);
}

static void create_finish(struct agent *a, struct operation *op)
{
	const json_t *days = json_object_get(op->order.params, "expiry_days");
	int64_t now_ms = agent_now_ms();
	char name[SNAPLIST_NAME_MAX + 1];

	derive_name(op, name);
	snaplist_add(a->store,
		&(struct snaplist_entry){ op->order.container_id, name, param(op, "alias"), now_ms,
			days ? journal_trusted_now_ms(a->store) + json_integer_value(days) * DAY_MS
			     : 0,
			json_integer_value(json_object_get(op->step_data, "size")) });
	show(a, op, name);
	tell_snapshot(a, opstate_container(a, op), "created",
		json_incref(json_object_get(op->result, "snapshot")));
	reaper_look(a->reaper);
}

static const struct opdef_step create_steps[] = {
	{ "snapshot", .has_undo = true, .params = create_params },
};

/* --- restore --- */

static enum opdef_verdict restore_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(
		a, op, OPSTATE(RUNNING) | OPSTATE(PAUSED) | OPSTATE(STOPPED) | OPSTATE(FAILED));

	if (v != OPDEF_RUN)
		return v;
	return has_snapshot(a, op) ? OPDEF_RUN : OPDEF_REFUSED;
}

static json_t *restore_params(struct agent *a, const struct operation *op)
{
	const char *name = param(op, "name");

	return jsonx_pack("{s:s, s:b}", "name", name, "foreign",
		snaplist_is_brought(a->store, op->order.container_id, name));
}

static bool was_at_rest(const struct operation *op)
{
	return op->prev_status != CT_RUNNING && op->prev_status != CT_PAUSED;
}

static void restore_finish(struct agent *a, struct operation *op)
{
	const char *name = param(op, "name");

	snaplist_set_used(a->store, op->order.container_id, name, agent_now_ms());
	opstate_running_anew(a, op);
	ownorder_source_changed(a, opstate_container(a, op));
	show(a, op, name);
	tell_snapshot(a, opstate_container(a, op), "restored",
		json_incref(json_object_get(op->result, "snapshot")));
}

/* Whoever has looked meanwhile has directories of the root that is thrown away. */
static void restore_abandon(struct agent *a, struct operation *op)
{
	opstate_as_observed(a, op);
	ownorder_source_changed(a, opstate_container(a, op));
}

/* It is killed, not asked: what it would still write is thrown away with its root. */
static const struct opdef_step restore_steps[] = {
	{ OPS_UNPAUSED },
	{ OPS_HALT, .skip = was_at_rest },
	{ "restore", .has_undo = true, .params = restore_params },
	{ OPS_LAUNCH },
	{ "settle" },
};

/* --- delete, alias --- */

/* What had ended may be another by that name when the agent's own order has its turn. */
static enum opdef_verdict delete_check(struct agent *a, struct operation *op)
{
	const char *id = op->order.container_id, *name = param(op, "name");
	bool goes;

	if (!opstate_container(a, op))
		return opstate_check(a, op, 0);
	goes = operation_is_own(op)
		       ? snaplist_has_ended(a->store, id, name, reaper_now_ms(a->reaper))
		       : snaplist_has(a->store, id, name);
	return goes ? OPDEF_RUN : OPDEF_NOTHING;
}

static void delete_finish(struct agent *a, struct operation *op)
{
	bool expired = operation_is_own(op);

	snaplist_remove(a->store, op->order.container_id, param(op, "name"));
	op->result = jsonx_pack("{s:s}", "snapshot_name", param(op, "name"));
	tell_snapshot(a, opstate_container(a, op), expired ? "expired" : "deleted",
		jsonx_pack("{s:s}", "name", param(op, "name")));
	if (expired)
		reaper_go_on(a->reaper);
	else
		reaper_look(a->reaper);
}

static const struct opdef_step delete_steps[] = {
	{ "snapshot-remove", .params = named },
};

static enum opdef_verdict alias_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(a, op, ~0u);

	if (v != OPDEF_RUN)
		return v;
	return has_snapshot(a, op) ? OPDEF_RUN : OPDEF_REFUSED;
}

static void alias_finish(struct agent *a, struct operation *op)
{
	const char *id = op->order.container_id, *name = param(op, "name");
	_cleanup_json_ json_t *old = snaplist_one(a->store, id, name);
	const json_t *now;

	snaplist_set_alias(a->store, id, name, param(op, "alias"));
	show(a, op, name);
	now = json_object_get(op->result, "snapshot");
	if (!json_equal(old, now))
		tell_snapshot(a, opstate_container(a, op), "renamed", json_incref((json_t *)now));
}

#define STEPS(list) (list), countof(list)

const struct opdef ops_snapshot[] = {
	{ OP_SNAPSHOT_CREATE, OPDEF_RESUME, create_check, NULL, create_finish, NULL,
		STEPS(create_steps) },
	{ OP_SNAPSHOT_RESTORE, OPDEF_RESUME, restore_check, NULL, restore_finish, restore_abandon,
		STEPS(restore_steps) },
	{ OP_SNAPSHOT_DELETE, OPDEF_RESUME, delete_check, NULL, delete_finish, NULL,
		STEPS(delete_steps) },
	{ OP_SNAPSHOT_ALIAS, OPDEF_RESUME, alias_check, NULL, alias_finish, NULL, NULL, 0 },
};
const size_t ops_snapshot_count = countof(ops_snapshot);
