/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The env.* ops: a wish is recorded, written to the root and read back. What /etc/environment can't
 * carry leaves it pending, with its reason, and is tried again; the order has succeeded then
 * too. */
#include "agent/host/ctfiles.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/envlist.h"
#include "proto/jsonx.h"

#define ENTRIES_MAX 256

static const char *param(const struct operation *op, const char *key)
{
	return json_string_value(json_object_get(op->order.params, key));
}

/* What the variables are after the order. */
static json_t *vars_after(struct agent *a, const struct operation *op)
{
	json_t *vars = envlist_vars(a->store, op->order.container_id);

	if (operation_is_own(op)) /* it was to change nothing, whatever has been set meanwhile */
		return vars;
	if (op->order.op == OP_ENV_MERGE)
		(void)json_object_update(vars, json_object_get(op->order.params, "vars"));
	else if (op->order.op == OP_ENV_SET)
		jsonx_set_string(vars, param(op, "key"), param(op, "value"));
	else
		(void)json_object_del(vars, param(op, "key"));
	return vars;
}

static enum opdef_verdict check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(a, op, ~(OPSTATE(DELETING) | OPSTATE(CREATING)));
	_cleanup_json_ json_t *vars = NULL;

	if (v != OPDEF_RUN)
		return v;
	vars = vars_after(a, op);
	if (json_object_size(vars) <= ENTRIES_MAX)
		return OPDEF_RUN;
	(void)err_set(&op->err, -E2BIG, ERR_INVALID_PARAMS, "vars",
		"a container may have %d environment variables, and would have %zu", ENTRIES_MAX,
		json_object_size(vars));
	return OPDEF_REFUSED;
}

/* Whoever made it: an order that changes nothing is an attempt at what is pending. */
static int begin(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *vars = vars_after(a, op);
	const struct container *c = opstate_container(a, op);

	if (envlist_wish(a->store, op->order.container_id, vars))
		tell_env(a, c, "updated",
			jsonx_pack("{s:o}", "env_sync",
				envlist_sync(a->store, op->order.container_id)));
	if (!operation_is_own(op))
		envlist_begin_anew(a->store, op->order.container_id);
	return 0;
}

static json_t *files_params(struct agent *a, const struct operation *op)
{
	const struct container *c = opstate_container(a, op);

	return jsonx_pack("{s:{s:o}}", "files", "env", ctfiles_environment(a, c));
}

static void finish(struct agent *a, struct operation *op)
{
	const char *id = op->order.container_id;
	json_t *sync, *vars;
	bool pending;

	envlist_settle(a->store, id);
	sync = envlist_sync(a->store, id);
	vars = envlist_vars(a->store, id);
	pending = json_is_true(json_object_get(sync, "pending"));
	op->result = jsonx_pack(
		"{s:o, s:b, s:o}", "environment_vars", vars, "synced", !pending, "env_sync", sync);
}

/* A retry that could not even try was one all the same, or it would be made for ever. */
static void abandon(struct agent *a, struct operation *op)
{
	const char *id = op->order.container_id;

	envlist_revert(a->store, id);
	if (operation_is_own(op))
		envlist_attempted(a->store, id, err_wire(op->err.code), agent_now_ms());
}

static const struct opdef_step steps[] = {
	{ "files", .params = files_params },
};

#define ROW(op_)                                                                        \
	{                                                                               \
		op_, OPDEF_RESUME, check, begin, finish, abandon, steps, countof(steps) \
	}

const struct opdef ops_env[] = {
	ROW(OP_ENV_MERGE),
	ROW(OP_ENV_SET),
	ROW(OP_ENV_UNSET),
};
const size_t ops_env_count = countof(ops_env);
