/* SPDX-License-Identifier: GPL-2.0-or-later */
/* project.delete: every container of the project, then its documents. Again and again, until
 * nothing is left: that of a project that is gone succeeds. */
#include "agent/host/proxydir.h"
#include "agent/engine/unfinished.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/state/desired.h"
#include "agent/state/doclist.h"
#include "agent/state/sharelist.h"
#include "agent/state/store.h"
#include "proto/jsonx.h"

static bool is_of(const struct container *c, const struct operation *op)
{
	return strcmp(c->spec.project_id, op->order.project_id) == 0;
}

static enum opdef_verdict check(struct agent *a, struct operation *op)
{
	return OPDEF_RUN;
}

static void move(struct agent *a, struct operation *op, struct container *c, enum ct_status to)
{
	opstate_move_one(a, op, c, to);
}

static int begin(struct agent *a, struct operation *op)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		if (is_of(desired_at(a->desired, i), op))
			move(a, op, desired_at(a->desired, i), CT_DELETING);
	return 0;
}

static json_t *params(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:o, s:s}", "containers", opstate_brief(a, op->order.project_id),
		"project", op->order.project_id);
}

static void finish(struct agent *a, struct operation *op)
{
	int64_t n = 0, aliases = store_scalar(a->store, "SELECT count(*) FROM aliases", 0);
	struct err err;

	for (size_t i = desired_count(a->desired); i-- > 0;) {
		struct container *c = desired_at(a->desired, i);

		if (!is_of(c, op))
			continue;
		move(a, op, c, CT_DELETED);
		opstate_forget(a, c);
		n++;
	}
	aliases -= store_scalar(a->store, "SELECT count(*) FROM aliases", 0);
	doclist_forget(a->store, "project", op->order.project_id);
	opstate_tell_shares_end(a, op->order.project_id);
	sharelist_forget_project(a->store, op->order.project_id);
	(void)!proxydir_put(a->proxydir, PROXYDIR_PROJECT, op->order.project_id, NULL, &err);
	store_must(store_exec(
		a->store, "DELETE FROM projects WHERE id=?1", "t", op->order.project_id));
	op->result = jsonx_pack("{s:{s:I, s:i, s:I}}", "deleted", "containers", (json_int_t)n,
		"permissions", 0, "aliases", (json_int_t)aliases);
}

static void abandon(struct agent *a, struct operation *op)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		if (is_of(desired_at(a->desired, i), op))
			opstate_not_deleted(a, op, desired_at(a->desired, i));
}

static void lanes(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	unfinished_add_lanes(a->engine, o->project_id, l);
}

static const struct opdef_step steps[] = {
	{ "remove-all", .params = params },
};

const struct opdef ops_project[] = {
	{ OP_PROJECT_DELETE, OPDEF_RESUME, check, begin, finish, abandon, steps, countof(steps),
		lanes },
};
const size_t ops_project_count = countof(ops_project);
