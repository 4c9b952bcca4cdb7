/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network.* ops: where what a container sends may go. Configured is one thing, in force
 * another. */
#include "agent/host/ctnet.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/netlist.h"
#include "proto/jsonx.h"

static enum opdef_verdict any_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, ~(OPSTATE(DELETING) | OPSTATE(CREATING)));
}

/* People who start what they have never configured mean Network.DefaultProxy; the control API says
 * what it means. */
static json_t *config_of(struct agent *a, const struct operation *op)
{
	json_t *config = netlist_config(a->store, op->order.container_id);
	const char *proxy = a->conf.network.default_proxy;

	if (config || op->order.op != OP_NETWORK_START || !*proxy ||
		strncmp(op->origin, "local:", strlen("local:")) != 0)
		return config;
	return jsonx_pack(
		"{s:o, s:s}", "type", json_stringn(proxy, strcspn(proxy, ":")), "proxy", proxy);
}

static enum opdef_verdict configured_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = any_check(a, op);
	_cleanup_json_ json_t *config = NULL;

	if (v != OPDEF_RUN)
		return v;
	config = config_of(a, op);
	return config ? OPDEF_RUN
		      : opstate_refuse(op, -ENOENT, ERR_NETWORK_NOT_CONFIGURED,
				"the container's network is not configured");
}

static void finish(struct agent *a, struct operation *op, const char *event)
{
	struct container *c = opstate_container(a, op);
	const json_t *remote;

	json_decref(op->result);
	op->result = ctnet_show(a, c);
	remote = json_object_get(op->result, "remote_status");
	if (remote)
		(void)json_object_update(op->result, (json_t *)(uintptr_t)remote);
	tell_network(a, c, event, json_incref(op->result));
}

/* --- configure --- */

static void configure_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *before = netlist_config(a->store, op->order.container_id);

	netlist_configure(a->store, op->order.container_id, op->order.params, agent_now_ms());
	finish(a, op, before ? "updated" : "created");
}

/* --- start, stop, remove --- */

static int put_config(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *config = config_of(a, op);

	return ctnet_set_mode(a, opstate_container(a, op), config, &op->err);
}

static int put_active(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *active = netlist_active(a->store, op->order.container_id);

	return ctnet_set_mode(a, opstate_container(a, op), active, &op->err);
}

static int put_none(struct agent *a, struct operation *op)
{
	return ctnet_set_mode(a, opstate_container(a, op), NULL, &op->err);
}

static void start_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *had = netlist_config(a->store, op->order.container_id),
			      *config = config_of(a, op);

	if (!had)
		netlist_configure(a->store, op->order.container_id, config, agent_now_ms());
	netlist_activate(a->store, op->order.container_id, config, agent_now_ms());
	ctnet_cut(a, opstate_container(a, op));
	finish(a, op, "running");
}

static void stop_finish(struct agent *a, struct operation *op)
{
	netlist_activate(a->store, op->order.container_id, NULL, agent_now_ms());
	ctnet_cut_diverted(a, opstate_container(a, op));
	finish(a, op, "stopped");
}

static void remove_finish(struct agent *a, struct operation *op)
{
	netlist_remove(a->store, op->order.container_id);
	ctnet_cut_diverted(a, opstate_container(a, op));
	finish(a, op, "deleted");
}

static const struct opdef_step start_steps[] = {
	{ .name = "mode", .has_undo = true, .here = put_config, .undo_here = put_active },
};

static const struct opdef_step stop_steps[] = {
	{ .name = "mode", .has_undo = true, .here = put_none, .undo_here = put_active },
};

#define STEPS(list) (list), countof(list)

const struct opdef ops_network[] = {
	{ OP_NETWORK_CONFIGURE, OPDEF_RESUME, any_check, NULL, configure_finish, NULL, NULL, 0 },
	{ OP_NETWORK_START, OPDEF_RESUME, configured_check, NULL, start_finish, NULL,
		STEPS(start_steps) },
	{ OP_NETWORK_STOP, OPDEF_RESUME, configured_check, NULL, stop_finish, NULL,
		STEPS(stop_steps) },
	{ OP_NETWORK_REMOVE, OPDEF_RESUME, configured_check, NULL, remove_finish, NULL,
		STEPS(stop_steps) },
};
const size_t ops_network_count = countof(ops_network);
