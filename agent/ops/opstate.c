/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ops on containers have in common: which status allows them and which they leave, what
 * goes with a container that is gone, and what a step is told of others than its own. Those others
 * are in lanes that the operation does not have: what is read of them here may be changed by an
 * operation beside it that has begun, so that counts, too. */
#include "agent/ops/opstate.h"
#include "agent/ops/ownorder.h"

#include "agent/engine/unfinished.h"
#include "agent/host/ctfiles.h"
#include "agent/host/ctmounts.h"
#include "agent/host/ctnet.h"
#include "agent/host/ctstop.h"
#include "agent/host/ctwatch.h"
#include "agent/host/drift.h"
#include "agent/host/proxydir.h"
#include "agent/report/status.h"
#include "agent/report/tell.h"
#include "agent/state/aliaslist.h"
#include "agent/state/desired.h"
#include "agent/state/doclist.h"
#include "agent/state/envlist.h"
#include "agent/state/fwlist.h"
#include "agent/state/keylist.h"
#include "agent/state/netlist.h"
#include "agent/state/notelist.h"
#include "agent/state/sharelist.h"
#include "agent/state/snaplist.h"
#include "lxc/ctgroup.h"
#include "proto/jsonx.h"

struct container *opstate_container(struct agent *a, const struct operation *op)
{
	return desired_find(a->desired, op->order.container_id);
}

enum opdef_verdict opstate_refuse(
	struct operation *op, int r, enum errcode code, const char *sentence)
{
	(void)err_set(&op->err, r, code, NULL, "%s", sentence);
	return OPDEF_REFUSED;
}

enum opdef_verdict opstate_check(struct agent *a, struct operation *op, unsigned allowed)
{
	struct container *c = opstate_container(a, op);

	if (!c)
		return opstate_refuse(op, -ENOENT, ERR_CONTAINER_NOT_FOUND,
			"there is no such container on this node");
	if (allowed & (1u << c->status))
		return OPDEF_RUN;
	(void)err_set(&op->err, -EPERM, ERR_OPERATION_STATE_CONFLICT, NULL,
		"%s is not possible while the container is %s", op->order.op_name,
		desired_status_name(c->status));
	(void)snprintf(
		op->err.status, sizeof(op->err.status), "%s", desired_status_name(c->status));
	return OPDEF_REFUSED;
}

int opstate_no_room(struct operation *op, int r)
{
	if (r == -EADDRNOTAVAIL)
		return err_set(&op->err, r, ERR_NO_SPACE, "Network.Subnet4",
			"no address of Network.Subnet4 is left for another container");
	return err_set(&op->err, r, ERR_NO_SPACE, "Containers.IdBase",
		"no range of user ids is left for another container");
}

const char *opstate_cause(const struct operation *op)
{
	if (!operation_is_own(op))
		return "user";
	/* Of its own the agent starts what the host's boot is to start (agent/ops/bootstart.c). */
	return op->order.op == OP_CONTAINER_START ? "autostart" : "system";
}

json_t *opstate_brief(struct agent *a, const char *project_id)
{
	json_t *list = json_array();

	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct ctspec *s = &desired_at(a->desired, i)->spec;

		if (!project_id || strcmp(s->project_id, project_id) == 0)
			(void)json_array_append_new(
				list, jsonx_pack("{s:s, s:I, s:s, s:i}", "id", s->id, "id_base",
					      (json_int_t)s->id_base, "image", s->image,
					      "stop_signal", ctstop_signal(&a->conf, s)));
	}
	return list;
}

static const char *command_of(const struct operation *op)
{
	return strchr(op->order.op_name, '.') + 1;
}

void opstate_begin(
	struct agent *a, const struct operation *op, struct container *c, enum ct_status to)
{
	_cleanup_json_ json_t *metadata =
		jsonx_pack("{s:s, s:s}", "command", command_of(op), "order_id", op->order.id);

	desired_set_status(a->desired, c, to, agent_now_ms());
	tell_status(a, c, CT_NONE, to, 0, opstate_cause(op), metadata);
}

static void tell_move(struct agent *a, struct operation *op, struct container *c, enum ct_status to)
{
	status_set(a, c, to, operation_started_ms(op), opstate_cause(op),
		jsonx_pack("{s:s, s:s, s:s*}", "command", command_of(op), "order_id", op->order.id,
			"cause", to == CT_FAILED && op->err.message[0] ? op->err.message : NULL));
}

void opstate_move_one(struct agent *a, struct operation *op, struct container *c, enum ct_status to)
{
	if (to == CT_STOPPED || to == CT_DELETED || to == CT_FAILED)
		ctwatch_detach(c);
	if (c->status != to)
		tell_move(a, op, c, to);
	ctnet_settle(a, c);
}

void opstate_move(struct agent *a, struct operation *op, enum ct_status to)
{
	opstate_move_one(a, op, opstate_container(a, op), to);
	json_decref(op->result);
	op->result = jsonx_pack("{s:s}", "status", desired_status_name(to));
}

void opstate_running(struct agent *a, struct operation *op)
{
	opstate_move(a, op, CT_RUNNING);
}

/* Its status is the same then, and its line in the log says what was done. */
void opstate_running_anew(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	bool ran = c->status == CT_RUNNING;

	opstate_running(a, op);
	if (ran)
		tell_move(a, op, c, CT_RUNNING);
}

void opstate_stopped(struct agent *a, struct operation *op)
{
	opstate_move(a, op, CT_STOPPED);
}

void opstate_paused(struct agent *a, struct operation *op)
{
	opstate_move(a, op, CT_PAUSED);
}

/* Whatever can't be removed now is later. */
static void forget_proxy(struct agent *a, const struct container *c)
{
	_cleanup_json_ json_t *aliases = aliaslist_json(a->store, c->spec.id);
	struct err err;
	json_t *alias;
	size_t i;

	doclist_forget(a->store, "container", c->spec.id);
	(void)!proxydir_put(a->proxydir, PROXYDIR_CONTAINER, c->spec.id, NULL, &err);
	json_array_foreach(aliases, i, alias) {
		aliaslist_remove(a->store, json_string_value(json_object_get(alias, "id")));
		(void)!proxydir_put(a->proxydir, PROXYDIR_ALIAS,
			json_string_value(json_object_get(alias, "alias")), NULL, &err);
		tell_proxy(a, c, "deleted", json_incref(alias));
	}
}

/* Is one of the project just being given the project's ramdisk? */
static bool is_being_given(struct agent *a, const struct container *c)
{
	const struct operation *o = NULL;

	while ((o = unfinished_next_begun(a->engine, o))) {
		const struct container *other = desired_find(a->desired, o->order.container_id);
		const char *scope =
			json_string_value(json_object_get(o->order.params, "ramdisk_scope"));

		if (o->order.op == OP_CONTAINER_UPDATE && scope && strcmp(scope, "project") == 0 &&
			other && other != c && other->project == c->project)
			return true;
	}
	return false;
}

json_t *opstate_remove_params(struct agent *a, const struct operation *op)
{
	const struct container *c = opstate_container(a, op);
	/* Whatever it has itself: it may have had its project's once. */
	bool last = !is_being_given(a, c);

	for (size_t i = 0; last && i < desired_count(a->desired); i++) {
		const struct container *o = desired_at(a->desired, i);

		last = o == c || o->project != c->project || !o->spec.ramdisk_project;
	}
	return jsonx_pack("{s:s*}", "ramdisk_project", last ? c->spec.project_id : NULL);
}

void opstate_tell_shares_end(struct agent *a, const char *target_id)
{
	_cleanup_json_ json_t *shares = sharelist_of_target(a->store, target_id);
	json_t *share;
	size_t i;

	json_array_foreach(shares, i, share)
		tell_share(a, share, "deleted",
			jsonx_pack("{s:O}", "id", json_object_get(share, "id")));
}

void opstate_forget(struct agent *a, struct container *c)
{
	snaplist_remove_all(a->store, c->spec.id);
	fwlist_remove_all(a->store, c->spec.id);
	netlist_remove(a->store, c->spec.id);
	envlist_remove(a->store, c->spec.id);
	keylist_set(a->store, c->spec.id, NULL, 0);
	notelist_remove(a->store, c->spec.id);
	forget_proxy(a, c);
	opstate_tell_shares_end(a, c->spec.id);
	sharelist_forget_container(a->store, c->spec.id);
	sharelist_end_source(a->store, c->spec.id);
	ownorder_source_gone(a, c->spec.id);
	desired_remove(a->desired, c);
	proxydir_map_changed(a->proxydir);
}

/* Does one run? Then what all links share has been made, and agent/host/drift keeps it. */
static bool is_routed(const struct agent *a)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		if (drift_has_link(desired_at(a->desired, i)))
			return true;
	return false;
}

json_t *opstate_launch_params(struct agent *a, const struct operation *op)
{
	const struct container *c = opstate_container(a, op);

	return jsonx_pack("{s:o, s:o, s:b}", "files", ctfiles_json(a, c), "mounts",
		ctmounts_wanted(a, c), "routed", is_routed(a));
}

bool opstate_stays_unpaused(const struct operation *op)
{
	return !op->at.undoing || op->prev_status != CT_PAUSED;
}

void opstate_not_deleted(struct agent *a, struct operation *op, struct container *c)
{
	enum ct_status observed;

	/* It ran until it asked to be launched again, which is still to come. */
	if (ctgroup_is_rebooting(a->groups, c->spec.id) > 0)
		opstate_move_one(a, op, c, CT_RUNNING);
	observed = ctwatch_observe(a, c);
	opstate_move_one(a, op, c, observed == CT_STOPPED ? CT_FAILED : observed);
}

void opstate_as_observed(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	enum ct_status observed;

	if (!c)
		return;
	observed = ctwatch_observe(a, c);
	if (observed == CT_STOPPED && op->prev_status == CT_FAILED)
		observed = CT_FAILED; /* its root is in doubt as before */
	if (c->status != observed)
		status_set(a, c, observed, operation_started_ms(op), "system",
			jsonx_pack("{s:s}", "order_id", op->order.id));
	ctnet_settle(a, c);
}
