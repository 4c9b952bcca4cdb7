/* SPDX-License-Identifier: GPL-2.0-or-later */
/* container.copy and container.sync: one container's root out of another's, while the source
 * goes on. Both hold the lanes of both containers; a sync finds its source by what is stored, or
 * by the order that is yet to make the copy.
 *
 * A copy is a create whose first step copies: it is recorded as COPYING, takes over rules,
 * variables and notes at its beginning and snapshots at its end, and is forgotten when it fails.
 * A sync builds the new root beside the old while the container runs, halts it only for the
 * exchange, launches it again, freezes it again if it was, and at last settles what is kept for
 * the next time: until then the old root can be had back. The container ends in the state that
 * it began in, and keeps what is its own. */
#include <sodium.h>

#include "agent/host/ctfiles.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctmounts.h"
#include "agent/host/ctnet.h"
#include "agent/ops/distinct.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/ops/ownorder.h"
#include "agent/ops/reaper.h"
#include "agent/report/status.h"
#include "agent/state/desired.h"
#include "agent/state/envlist.h"
#include "agent/state/fwlist.h"
#include "agent/state/keylist.h"
#include "agent/state/netlist.h"
#include "agent/state/notelist.h"
#include "agent/state/snaplist.h"
#include "proto/jsonx.h"

static const char *param(const struct operation *op, const char *key)
{
	return json_string_value(json_object_get(op->order.params, key));
}

static bool is_running(const struct agent *a, const char *id)
{
	const struct container *c = desired_find(a->desired, id);

	return c && c->status == CT_RUNNING;
}

static enum opdef_verdict no_source(struct operation *op, const char *id)
{
	(void)err_set(&op->err, -ENOENT, ERR_SOURCE_CONTAINER_NOT_FOUND, "source_container_id",
		"the source container %s is not on this node", id);
	return OPDEF_REFUSED;
}

/* Is its root whole? */
static bool is_at_rest_or_runs(const struct container *c)
{
	return c->status == CT_RUNNING || c->status == CT_PAUSED || c->status == CT_STOPPED;
}

/* --- copy --- */

static void params_digest(const struct operation *op, uint8_t ret[static 32])
{
	_cleanup_(freep) char *text = jsonx_canonical(op->order.params);

	(void)crypto_hash_sha256(ret, (const uint8_t *)text, strlen(text));
}

static enum opdef_verdict copy_again(struct operation *op, const struct container *c)
{
	uint8_t digest[32];

	params_digest(op, digest);
	if (memcmp(digest, c->params_digest, sizeof(digest)) != 0 ||
		strcmp(c->spec.project_id, op->order.project_id) != 0)
		return opstate_refuse(op, -EEXIST, ERR_CONTAINER_EXISTS,
			"a container of this id exists and was made otherwise, or in another "
			"project");
	op->result = jsonx_pack("{s:s}", "status", desired_status_name(c->status));
	return OPDEF_NOTHING;
}

static enum opdef_verdict copy_check(struct agent *a, struct operation *op)
{
	const struct container *c = opstate_container(a, op);
	const char *source_id = param(op, "source_container_id"),
		   *snapshot = param(op, "source_snapshot");
	const struct container *source = desired_find(a->desired, source_id);

	if (c)
		return copy_again(op, c);
	if (!source)
		return no_source(op, source_id);
	if (!is_at_rest_or_runs(source))
		return opstate_refuse(op, -EPERM, ERR_OPERATION_STATE_CONFLICT,
			"the source can't be copied in the state that it is in");
	if (snapshot && !snaplist_has(a->store, source_id, snapshot)) {
		(void)err_set(&op->err, -ENOENT, ERR_SNAPSHOT_NOT_FOUND, "source_snapshot",
			"the source has no snapshot of the name %s", snapshot);
		return OPDEF_REFUSED;
	}
	if (json_is_true(json_object_get(op->order.params, "kvm")) &&
		access("/dev/kvm", F_OK) < 0) {
		(void)err_set(&op->err, -ENODEV, ERR_LIMIT_NOT_SUPPORTED, "kvm",
			"this host has no /dev/kvm to grant");
		return OPDEF_REFUSED;
	}
	return distinct_check(a, op) ? OPDEF_RUN : OPDEF_REFUSED;
}

static int copy_begin(struct agent *a, struct operation *op)
{
	const struct container *source = desired_find(a->desired, param(op, "source_container_id"));
	const char *name = param(op, "name");
	struct ctspec spec = source->spec;
	struct container *c;
	uint8_t digest[32];
	int r;

	strcpy(spec.id, op->order.container_id);
	strcpy(spec.project_id, op->order.project_id);
	strcpy(spec.source_id, source->spec.id);
	(void)snprintf(spec.name, sizeof(spec.name), "%s", name ? name : "");
	spec.kvm = json_is_true(json_object_get(op->order.params, "kvm"));
	params_digest(op, digest);
	r = desired_add(a->desired, &spec, digest, agent_now_ms(), &c);
	if (r < 0)
		return opstate_no_room(op, r);
	if (json_is_true(json_object_get(op->order.params, "copy_firewall_rules")))
		fwlist_copy(a->store, source->spec.id, c->spec.id);
	if (json_is_true(json_object_get(op->order.params, "copy_network_rules")))
		netlist_copy(a->store, source->spec.id, c->spec.id, agent_now_ms());
	envlist_copy(a->store, source->spec.id, c->spec.id);
	notelist_copy(a->store, source->spec.id, c->spec.id);
	keylist_set(a->store, c->spec.id, param(op, "ssh_public_key"), agent_now_ms());
	opstate_begin(a, op, c, CT_COPYING);
	return 0;
}

static json_t *copy_params(struct agent *a, const struct operation *op)
{
	const char *source = param(op, "source_container_id");

	return jsonx_pack("{s:s, s:s*, s:b, s:o}", "source", source, "snapshot",
		param(op, "source_snapshot"), "running", is_running(a, source), "files",
		ctfiles_json(a, opstate_container(a, op)));
}

static bool copy_without_start(const struct operation *op)
{
	return json_is_false(json_object_get(op->order.params, "start"));
}

static void copy_finish(struct agent *a, struct operation *op)
{
	snaplist_copy(a->store, param(op, "source_container_id"), op->order.container_id);
	reaper_look(a->reaper);
	opstate_move(a, op, copy_without_start(op) ? CT_STOPPED : CT_RUNNING);
}

static void copy_abandon(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);

	if (!c)
		return;
	opstate_move(a, op, CT_FAILED);
	opstate_forget(a, c);
}

static const struct opdef_step copy_steps[] = {
	{ "copy", .has_undo = true, .params = copy_params },
	{ OPS_LAUNCH, .skip = copy_without_start },
};

/* --- sync --- */

/* The order does not name its source: the order that is to make the copy (anew, if there is one)
 * does, or the node knows it. */
static void sync_lanes(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	const struct container *c = desired_find(a->desired, o->container_id);
	const struct order *copy = unfinished_find(a->engine, OP_CONTAINER_COPY, o->container_id);

	if (copy)
		oprules_add_lane(l, "container",
			json_string_value(json_object_get(copy->params, "source_container_id")));
	if (c || !copy)
		oprules_add_lane(l, "container", c ? c->spec.source_id : "");
}

static enum opdef_verdict sync_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(
		a, op, OPSTATE(RUNNING) | OPSTATE(PAUSED) | OPSTATE(STOPPED) | OPSTATE(FAILED));
	const struct container *c = opstate_container(a, op), *source;

	if (v != OPDEF_RUN)
		return v;
	if (!c->spec.source_id[0])
		return opstate_refuse(op, -EINVAL, ERR_CONTAINER_NOT_COPIED,
			"the container was not made by copy, so there is nothing to bring it up to "
			"date with");
	source = desired_find(a->desired, c->spec.source_id);
	if (!source)
		return no_source(op, c->spec.source_id);
	return is_at_rest_or_runs(source)
		       ? OPDEF_RUN
		       : opstate_refuse(op, -EPERM, ERR_OPERATION_STATE_CONFLICT,
				 "the source can't be copied in the state that it is in");
}

static int sync_begin(struct agent *a, struct operation *op)
{
	status_set(a, opstate_container(a, op), CT_COPYING, 0, opstate_cause(op),
		jsonx_pack("{s:s, s:s}", "command", "sync", "order_id", op->order.id));
	return 0;
}

static json_t *sync_params(struct agent *a, const struct operation *op)
{
	const struct container *c = opstate_container((struct agent *)a, op);

	return jsonx_pack("{s:s, s:b}", "source", c->spec.source_id, "running",
		is_running(a, c->spec.source_id));
}

static bool was_at_rest(const struct operation *op)
{
	return op->prev_status != CT_RUNNING && op->prev_status != CT_PAUSED;
}

/* A launch writes what is its own into the root that it has got; without one, this does. */
static json_t *own_files(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:o}", "files", ctfiles_json(a, opstate_container(a, op)));
}

static bool is_launched(const struct operation *op)
{
	return !was_at_rest(op);
}

static json_t *settle_params(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:b}", "keep_base", 1);
}

static bool was_not_paused(const struct operation *op)
{
	return op->prev_status != CT_PAUSED;
}

/* A source that was made anew may be of another image. */
static void take_signal(struct agent *a, struct container *c)
{
	const struct container *source = desired_find(a->desired, c->spec.source_id);
	struct ctspec spec = c->spec;

	if (!source || source->spec.stop_signal == spec.stop_signal)
		return;
	spec.stop_signal = source->spec.stop_signal;
	desired_change(a->desired, c, &spec, agent_now_ms());
}

/* It ends as it began. */
static void sync_finish(struct agent *a, struct operation *op)
{
	take_signal(a, opstate_container(a, op));
	opstate_move(a, op, was_at_rest(op) ? CT_STOPPED : op->prev_status);
	ownorder_source_changed(a, opstate_container(a, op));
}

/* What it was holds again, and then what is seen: so one that has ended meanwhile, or asked for a
 * restart, is treated as any other. Whoever has looked meanwhile has directories of the root that
 * is thrown away. */
static void sync_abandon(struct agent *a, struct operation *op)
{
	if (!was_at_rest(op))
		opstate_move_one(a, op, opstate_container(a, op), op->prev_status);
	opstate_as_observed(a, op);
	ownorder_source_changed(a, opstate_container(a, op));
}

/* It is down only between halt and launch: what takes long is done before. */
static const struct opdef_step sync_steps[] = {
	{ "sync-build", .has_undo = true, .params = sync_params },
	{ OPS_UNPAUSED },
	{ OPS_HALT, .skip = was_at_rest },
	{ "sync", .has_undo = true },
	{ "files", .skip = is_launched, .params = own_files },
	{ OPS_LAUNCH, .skip = was_at_rest },
	{ "freeze", .has_undo = true, .skip = was_not_paused },
	{ "settle", .params = settle_params },
};

#define STEPS(list) (list), countof(list)

const struct opdef ops_copy[] = {
	{ OP_CONTAINER_COPY, OPDEF_RESUME, copy_check, copy_begin, copy_finish, copy_abandon,
		STEPS(copy_steps), unfinished_follow_project },
	{ OP_CONTAINER_SYNC, OPDEF_RESUME, sync_check, sync_begin, sync_finish, sync_abandon,
		STEPS(sync_steps), .lanes = sync_lanes },
};
const size_t ops_copy_count = countof(ops_copy);
