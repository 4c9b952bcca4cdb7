/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall.* ops: a change of a container's two lists of rules, put in force and then
 * recorded. `changes` has a row for each op: a function that makes the new lists out of the old.
 *
 * The change is worked out anew from what is recorded each time it is needed (check, step, undo,
 * finish), so it is the same however often it is made; only finish() writes the lists, and the
 * lane sees to it that nothing comes between. The one step is the agent's own and puts the new
 * lists into the kernel; its undo puts the old ones there. Then flows are judged that the new
 * rules may forbid. Bounds hold for what a change adds: one that only removes, or toggles, is
 * never refused for size. */
#include "agent/host/ctnet.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/fwlist.h"
#include "proto/jsonx.h"

struct change {
	json_t *was[FW_DIRECTIONS], *is[FW_DIRECTIONS]; /* NULL: detached */
	json_t *result;                                 /* beside the lists */
	const char *event;
};

static void change_done(struct change *c)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		json_decref(c->was[d]);
		json_decref(c->is[d]);
	}
	json_decref(c->result);
}
#define _cleanup_change_ _cleanup_(change_done)

static const json_t *param(const struct operation *op, const char *key)
{
	return json_object_get(op->order.params, key);
}

static enum fwdirection direction_of(const struct operation *op)
{
	return fwlist_direction(json_string_value(param(op, "direction")));
}

/* --- what each does to the lists; negative: refused --- */

/* As it is kept and shown: with its state, which an order may leave out. */
static json_t *whole_rule(const json_t *given)
{
	json_t *rule = json_deep_copy(given);

	if (!json_object_get(rule, "state"))
		jsonx_set_string(rule, "state", "enabled");
	return rule;
}

static int add(struct operation *op, struct change *c)
{
	enum fwdirection d = direction_of(op);
	json_t *rule = whole_rule(param(op, "rule"));
	size_t i;
	json_t *other;

	if (!c->is[d])
		c->is[d] = json_array();
	json_array_foreach(c->is[d], i, other) {
		if (!fwlist_is_same(rule, other))
			continue;
		c->result = jsonx_pack("{s:o, s:b, s:{s:s, s:I}}", "rule", rule, "duplicate", 1,
			"duplicate_of", "direction", fwlist_names[d], "index", (json_int_t)i);
		return 0;
	}
	(void)json_array_append(c->is[d], rule);
	c->result = jsonx_pack("{s:o}", "rule", rule);
	c->event = "added";
	return 0;
}

static int no_rule(struct operation *op)
{
	return err_set(&op->err, -ENOENT, ERR_FIREWALL_RULE_NOT_FOUND, "filters",
		"no %s rule matches these filters", fwlist_names[direction_of(op)]);
}

static int toggle(struct operation *op, struct change *c)
{
	enum fwdirection d = direction_of(op);
	const char *state = json_string_value(param(op, "state"));
	json_t *rule;
	size_t i;

	json_array_foreach(c->is[d], i, rule) {
		if (!fwlist_matches(rule, param(op, "filters")))
			continue;
		jsonx_set_string(rule, "state", state);
		c->result = jsonx_pack("{s:s, s:s, s:O}", "direction", fwlist_names[d], "new_state",
			state, "updated", rule);
		c->event = state;
		return 0;
	}
	return no_rule(op);
}

static int take_away(struct operation *op, struct change *c)
{
	enum fwdirection d = direction_of(op);
	const json_t *filters = param(op, "filters");
	bool all = json_is_true(param(op, "all"));
	json_t *removed = json_array(), *rule;

	for (size_t i = 0; i < json_array_size(c->is[d]);) {
		rule = json_array_get(c->is[d], i);
		if ((!all && json_array_size(removed) > 0) ||
			(filters && !fwlist_matches(rule, filters))) {
			i++;
			continue;
		}
		(void)json_array_append(removed, rule);
		(void)json_array_remove(c->is[d], i);
	}
	c->result = jsonx_pack("{s:s, s:I, s:o}", "direction", fwlist_names[d], "removed_count",
		(json_int_t)json_array_size(removed), "removed", removed);
	c->event = "removed";
	return 0;
}

static int replace(struct operation *op, struct change *c)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		json_t *rules = json_object_get(op->order.params, fwlist_names[d]), *rule;
		size_t i;

		if (!rules)
			continue;
		json_decref(c->is[d]);
		c->is[d] = json_array();
		json_array_foreach(rules, i, rule)
			(void)json_array_append_new(c->is[d], whole_rule(rule));
	}
	c->event = "updated";
	return 0;
}

static int reset(struct operation *op, struct change *c)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		json_decref(c->is[d]);
		c->is[d] = NULL;
	}
	c->event = "removed";
	return 0;
}

static const struct {
	enum op op;
	int (*make)(struct operation *op, struct change *c);
} changes[] = {
	{ OP_FIREWALL_ADD, add },
	{ OP_FIREWALL_TOGGLE, toggle },
	{ OP_FIREWALL_REMOVE, take_away },
	{ OP_FIREWALL_REPLACE, replace },
	{ OP_FIREWALL_RESET, reset },
};

static int make_change(struct agent *a, struct operation *op, struct change *ret)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		ret->was[d] = fwlist_get(a->store, op->order.container_id, (enum fwdirection)d);
		ret->is[d] = json_deep_copy(ret->was[d]);
	}
	for (size_t i = 0; i < countof(changes); i++)
		if (changes[i].op == op->order.op)
			return changes[i].make(op, ret);
	assert(false); /* an op without a row */
	return -EINVAL;
}

/* What was so before is not told of: nothing was removed, say, by who removes all of none. */
static bool changes_something(const struct change *c)
{
	for (int d = 0; d < FW_DIRECTIONS; d++)
		if (!c->is[d] != !c->was[d] || (c->is[d] && !json_equal(c->is[d], c->was[d])))
			return true;
	return false;
}

/* --- limits --- */

static size_t bytes_of(json_t *const lists[FW_DIRECTIONS])
{
	size_t bytes = 0;

	for (int d = 0; d < FW_DIRECTIONS; d++) {
		_cleanup_(freep) char *text = lists[d] ? jsonx_dump(lists[d]) : NULL;

		bytes += text ? strlen(text) : 0;
	}
	return bytes;
}

static int too_much(struct operation *op, size_t have, size_t may)
{
	op->err.have = (int64_t)have;
	op->err.may = (int64_t)may;
	return -E2BIG;
}

static int judge_size(struct operation *op, const struct change *c)
{
	size_t n = json_array_size(c->is[FW_INGRESS]) + json_array_size(c->is[FW_EGRESS]),
	       was = json_array_size(c->was[FW_INGRESS]) + json_array_size(c->was[FW_EGRESS]),
	       bytes = bytes_of(c->is), bytes_were = bytes_of(c->was);

	if (op->order.op == OP_FIREWALL_TOGGLE)
		return 0; /* "disabled" is longer than "enabled" */
	if (n > was && n > FWLIST_RULES_MAX) {
		(void)err_set(&op->err, -E2BIG, ERR_CONTAINER_FIREWALL_RULE_LIMIT, "rule",
			"the container has %zu firewall rules, and may have %d", was,
			FWLIST_RULES_MAX);
		return too_much(op, was, FWLIST_RULES_MAX);
	}
	if (bytes > FWLIST_BYTES_MAX && bytes > bytes_were) {
		(void)err_set(&op->err, -E2BIG, ERR_CONTAINER_FIREWALL_BYTES_LIMIT, "rule",
			"the container's firewall rules would be %zu bytes, and may be %d", bytes,
			FWLIST_BYTES_MAX);
		return too_much(op, bytes_were, FWLIST_BYTES_MAX);
	}
	return 0;
}

/* --- the op --- */

static enum opdef_verdict firewall_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(a, op, ~(OPSTATE(DELETING) | OPSTATE(CREATING)));
	_cleanup_change_ struct change c = {};

	if (v != OPDEF_RUN)
		return v;
	return make_change(a, op, &c) < 0 || judge_size(op, &c) < 0 ? OPDEF_REFUSED : OPDEF_RUN;
}

static int put_in_force(struct agent *a, struct operation *op, bool undo)
{
	_cleanup_change_ struct change c = {};
	int r = make_change(a, op, &c);

	if (r < 0)
		return r;
	return ctnet_apply(a, opstate_container(a, op),
		(const json_t *const *)(undo ? c.was : c.is), &op->err);
}

static int firewall_act(struct agent *a, struct operation *op)
{
	return put_in_force(a, op, false);
}

static int firewall_undo(struct agent *a, struct operation *op)
{
	return put_in_force(a, op, true);
}

/* Whoever has the report knows the rules from it alone. The order's own result, which is kept with
 * each of many orders, has what has changed. */
static json_t *with_lists(const json_t *result, const struct change *c)
{
	json_t *v = json_copy((json_t *)(uintptr_t)result);

	for (int d = 0; d < FW_DIRECTIONS; d++)
		jsonx_set(v, fwlist_names[d], c->is[d] ? json_incref(c->is[d]) : json_array());
	return v;
}

static void firewall_finish(struct agent *a, struct operation *op)
{
	struct container *container = opstate_container(a, op);
	_cleanup_change_ struct change c = {};

	if (make_change(a, op, &c) < 0)
		return; /* what check() has let through stays possible: the lane is ours */
	for (int d = 0; d < FW_DIRECTIONS; d++)
		if (!c.is[d] || !c.was[d] || !json_equal(c.is[d], c.was[d]))
			fwlist_put(a->store, container->spec.id, (enum fwdirection)d, c.is[d]);
	json_decref(op->result);
	op->result = c.result ? json_incref(c.result) : json_object();
	if (!changes_something(&c))
		return;
	tell_firewall(a, container, c.event, with_lists(op->result, &c));
	ctnet_cut(a, container);
}

static const struct opdef_step firewall_steps[] = {
	{ .name = "rules", .has_undo = true, .here = firewall_act, .undo_here = firewall_undo },
};

#define FIREWALL(name)                                                                         \
	{                                                                                      \
		OP_FIREWALL_##name, OPDEF_RESUME, firewall_check, NULL, firewall_finish, NULL, \
			firewall_steps, countof(firewall_steps)                                \
	}

const struct opdef ops_firewall[] = {
	FIREWALL(ADD),
	FIREWALL(TOGGLE),
	FIREWALL(REMOVE),
	FIREWALL(REPLACE),
	FIREWALL(RESET),
};
const size_t ops_firewall_count = countof(ops_firewall);
