/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The share.* ops. Each changes what is wished, and then makes every container that is concerned
 * and runs have just the mounts that are wished for it: so an update without a change is how a
 * share is looked after, and any of them may be done again. A mount that fails is the share's
 * status, no order's failure.
 *
 * What is wished is recorded at the beginning, with the old kept aside until the end: a failure
 * puts it back. A share that is deleted keeps its row until its mounts are gone. The lanes are
 * those of every container that the share concerns, or of the whole project that it is meant
 * for, so that none of them starts or goes meanwhile. What is mounted where is worked out by
 * agent/host/ctmounts.c, mounted by the worker. */
#include "agent/host/ctmounts.h"
#include "agent/engine/unfinished.h"
#include "agent/ops/localorder.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/ops/reaper.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/sharelist.h"
#include "proto/jsonx.h"
#include "proto/opfield.h"

#define NAMED "/hoody/shares/"

static const json_t *param(const struct operation *op, const char *key)
{
	return json_object_get(op->order.params, key);
}

static const char *text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static const char *share_id(const struct operation *op)
{
	return text(op->order.params, "share_id");
}

static json_t *recorded(struct agent *a, const struct operation *op)
{
	return sharelist_get(a->store, share_id(op));
}

/* Has it no place of its own, but that of its name? */
static bool is_named(const json_t *share)
{
	const char *at = text(share, "mount_path");

	return at && strncmp(at, NAMED, strlen(NAMED)) == 0;
}

/* --- lanes: every container that the share concerns --- */

static void add_targets(struct agent *a, const json_t *share, struct oprules_lanes *l)
{
	const char *target = text(share, "target_container_id"),
		   *project = text(share, "target_project_id");

	oprules_add_lane(l, "container", text(share, "source_container_id"));
	if (target)
		oprules_add_lane(l, "container", target);
	if (target || !project)
		return;
	oprules_add_lane(l, "project", project); /* where containers wait that are made later */
	unfinished_add_lanes(a->engine, project, l);
}

/* Of a share that an order before it is yet to make (anew, and then of another source or target),
 * that order knows. */
static void lanes(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	_cleanup_json_ json_t *share = sharelist_get(a->store, text(o->params, "share_id"));
	const struct order *making = unfinished_find_share(a->engine, text(o->params, "share_id"));

	if (o->op == OP_SHARE_CREATE) {
		add_targets(a, o->params, l);
		return;
	}
	if (share)
		add_targets(a, share, l);
	if (making)
		add_targets(a, making->params, l);
}

/* --- the mounts --- */

/* Targets can't be changed, so these are those of before and after. One that is deleted keeps its
 * row until its mounts are gone. */
static json_t *targets(struct agent *a, const struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	bool deleted = op->order.op == OP_SHARE_DELETE;

	return jsonx_pack(
		"{s:o}", "targets", share ? ctmounts_targets(a, share, deleted) : json_array());
}

static void put(struct agent *a, const json_t *row, const json_t *over)
{
	_cleanup_json_ json_t *all = json_copy((json_t *)(uintptr_t)row);

	(void)json_object_update(all, (json_t *)(uintptr_t)over);
	sharelist_put(a->store,
		&(struct sharelist_entry){ .id = text(row, "id"),
			.source_id = text(row, "source_container_id"),
			.path = text(row, "source_path"),
			.target_id = text(row, "target_container_id"),
			.project_id = text(row, "target_project_id"),
			.mode = text(all, "mode"),
			.mount_path = text(row, "mount_path"),
			.alias = text(all, "alias"),
			.label = text(all, "label"),
			.description = text(all, "description"),
			.enabled = !json_is_false(json_object_get(all, "enabled")),
			.expires_ms =
				json_integer_value(json_object_get(all, "expires_at")) * 1000 },
		agent_now_ms());
}

static bool has(const json_t *count, const char *what)
{
	return json_integer_value(json_object_get(count, what)) > 0;
}

static json_t *unmounted(const struct operation *op, const char *target_id, const json_t *count)
{
	static const char *const figures[] = { "busy", "held", "writable", "overlays" };
	json_t *v = json_object();

	jsonx_set_string(v, "id", share_id(op));
	jsonx_set_string(v, "container_id", target_id);
	jsonx_set_bool(v, "lazily", has(count, "lazy"));
	for (size_t i = 0; i < countof(figures); i++)
		if (json_object_get(count, figures[i]))
			jsonx_set(v, figures[i], json_incref(json_object_get(count, figures[i])));
	return v;
}

/* Where it was taken away, whether somebody was in it, and who has something of it still. */
static void tell_unmounted(struct agent *a, const struct operation *op, const json_t *share)
{
	json_t *all = json_object_get(op->step_data, "mounts"), *v;
	const char *target_id;

	json_object_foreach(all, target_id, v) {
		const json_t *count = json_object_get(v, "");

		if (has(count, "gone") || has(count, "busy") || has(count, "held"))
			tell_share(a, share, "unmounted", unmounted(op, target_id, count));
	}
}

static void finish(struct agent *a, struct operation *op, const char *event)
{
	json_t *share = recorded(a, op);

	op->result = share;
	if (event)
		tell_share(a, share, event, json_incref(share));
	reaper_look(a->reaper);
}

/* What has become of one that was kept: not what was asked for, which may have been so before. */
static const char *update_event(struct agent *a, const struct operation *op, const json_t *share)
{
	bool was = sharelist_was_enabled(a->store, share_id(op)),
	     is = json_is_true(json_object_get(share, "enabled"));

	return was && !is ? "disabled" : !was && is ? "enabled" : "updated";
}

/* Two shares can't be in one place: the second would be called active and be nowhere. */
static bool place_is_taken(struct agent *a, struct operation *op, const json_t *share)
{
	const char *path = text(share, "mount_path"), *alias = text(op->order.params, "alias");
	_cleanup_(freep) char *named = alias ? xasprintf(NAMED "%s", alias) : NULL;
	_cleanup_json_ json_t *row = json_deep_copy(share);

	jsonx_set_string(row, "id", share_id(op));
	if (!path)
		path = named;
	if (!path || !ctmounts_is_taken(a, row, path))
		return false;
	(void)err_set(&op->err, -EEXIST, ERR_SHARE_PLACE_IN_USE,
		op->order.op == OP_SHARE_CREATE && text(share, "mount_path") ? "mount_path"
									     : "alias",
		"a target has something else at %s", path);
	return true;
}

/* --- create --- */

/* A directory and a place have one name each, by which they are known again. */
static json_t *with_paths_folded(const json_t *params)
{
	static const char *const paths[] = { "source_path", "mount_path" };
	json_t *v = json_copy((json_t *)(uintptr_t)params);

	for (size_t i = 0; i < countof(paths); i++) {
		_cleanup_(freep) char *path = text(v, paths[i]) ? xstrdup(text(v, paths[i])) : NULL;

		if (!path)
			continue;
		opfield_fold_path(path);
		jsonx_set_string(v, paths[i], path);
	}
	return v;
}

/* What no update changes. */
static bool is_same(const json_t *there, const json_t *p)
{
	static const char *const fixed[] = { "source_container_id", "source_path",
		"target_container_id", "target_project_id" };
	const char *at = text(p, "mount_path");

	for (size_t i = 0; i < countof(fixed); i++) {
		const char *is = text(there, fixed[i]), *wanted = text(p, fixed[i]);

		if (is && wanted ? strcmp(is, wanted) != 0 : is || wanted)
			return false;
	}
	return at ? strcmp(at, text(there, "mount_path")) == 0 : is_named(there);
}

/* Of one id there is one share: a second order of it is an update. */
static enum opdef_verdict create_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *p = with_paths_folded(op->order.params), *there = recorded(a, op);
	const char *target = text(p, "target_container_id");

	if (there && !is_same(there, p))
		return opstate_refuse(op, -EEXIST, ERR_SHARE_EXISTS,
			"a share of this id exists with another source, target or place");
	if (!desired_find(a->desired, text(p, "source_container_id"))) {
		(void)err_set(&op->err, -ENOENT, ERR_SOURCE_CONTAINER_NOT_FOUND,
			"source_container_id", "the source is not on this node");
		return OPDEF_REFUSED;
	}
	if (target && !desired_find(a->desired, target)) {
		(void)err_set(&op->err, -ENOENT, ERR_CONTAINER_NOT_FOUND, "target_container_id",
			"the target is not on this node");
		return OPDEF_REFUSED;
	}
	if (place_is_taken(a, op, p))
		return OPDEF_REFUSED;
	if (sharelist_has_other(a->store,
		    &(struct sharelist_entry){ .id = share_id(op),
			    .source_id = text(p, "source_container_id"),
			    .path = text(p, "source_path"),
			    .target_id = target,
			    .project_id = text(p, "target_project_id") },
		    reaper_now_ms(a->reaper)))
		return opstate_refuse(op, -EEXIST, ERR_SHARE_EXISTS,
			"this directory is shared with this target already");
	return OPDEF_RUN;
}

static int create_begin(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *row = with_paths_folded(op->order.params);

	jsonx_set(row, "id", json_incref(json_object_get(row, "share_id")));
	sharelist_keep(a->store, share_id(op));
	put(a, row, NULL);
	return 0;
}

static void create_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	bool again = sharelist_is_kept(a->store, share_id(op));
	const char *event = again ? update_event(a, op, share) : "created";

	sharelist_settle(a->store, share_id(op));
	if (again) /* else it was nowhere, and what was taken away is another's, in its place */
		tell_unmounted(a, op, share);
	finish(a, op, event);
}

static void create_abandon(struct agent *a, struct operation *op)
{
	if (sharelist_is_kept(a->store, share_id(op)))
		sharelist_revert(a->store, share_id(op));
	else
		sharelist_remove(a->store, share_id(op));
}

/* --- update --- */

static int64_t end_ms(const json_t *share)
{
	return json_integer_value(json_object_get(share, "expires_at")) * 1000;
}

/* Its source has gone, and a later end would give away what is made in the source's place. */
static bool is_gone(const struct operation *op, const json_t *share)
{
	return !share || (!operation_is_own(op) && end_ms(share) == SHARELIST_ENDED_MS);
}

static enum opdef_verdict no_share(struct operation *op)
{
	(void)err_set(&op->err, -ENOENT, ERR_NOT_FOUND, "share_id", "there is no share %s here",
		share_id(op));
	return OPDEF_REFUSED;
}

/* The alias is the place of a share that has no path of its own. */
static bool renames(const struct operation *op, json_t *share)
{
	const char *alias = text(op->order.params, "alias"), *at = text(share, "mount_path");

	if (!alias || !is_named(share) || strcmp(at + strlen(NAMED), alias) == 0)
		return false;
	(void)json_object_del(share, "mount_path");
	return true;
}

static enum opdef_verdict update_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);

	if (is_gone(op, share))
		return no_share(op);
	return renames(op, share) && place_is_taken(a, op, share) ? OPDEF_REFUSED : OPDEF_RUN;
}

static int update_begin(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *row = recorded(a, op);

	sharelist_keep(a->store, share_id(op));
	put(a, row, op->order.params);
	return 0;
}

/* What is mounted follows with the next look after it. */
static void put_back(struct agent *a, struct operation *op)
{
	sharelist_revert(a->store, share_id(op));
}

/* Of the agent's own making it changes nothing that anybody wished. */
static void update_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	const char *event = operation_is_own(op) ? NULL : update_event(a, op, share);

	sharelist_settle(a->store, share_id(op));
	tell_unmounted(a, op, share);
	finish(a, op, event);
}

/* --- delete --- */

static bool has_ended(struct agent *a, const json_t *share)
{
	return !desired_find(a->desired, text(share, "source_container_id")) ||
	       (end_ms(share) > 0 && end_ms(share) <= reaper_now_ms(a->reaper));
}

/* What had ended may go on, by an order that had its turn before the agent's own. */
static enum opdef_verdict delete_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);

	return share && (!operation_is_own(op) || has_ended(a, share)) ? OPDEF_RUN : OPDEF_NOTHING;
}

static void delete_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	bool expired = operation_is_own(op) && end_ms(share) > SHARELIST_ENDED_MS;

	sharelist_remove(a->store, share_id(op));
	op->result = jsonx_pack("{s:s}", "share_id", share_id(op));
	tell_unmounted(a, op, share);
	tell_share(
		a, share, expired ? "expired" : "deleted", jsonx_pack("{s:s}", "id", share_id(op)));
	reaper_look(a->reaper);
}

/* --- the receiver's switch --- */

static enum opdef_verdict mount_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	const char *id = text(op->order.params, "container_id");
	const struct container *c = desired_find(a->desired, id);
	const char *target = text(share, "target_container_id"),
		   *project = text(share, "target_project_id");

	if (is_gone(op, share))
		return no_share(op);
	if (!c) {
		(void)err_set(&op->err, -ENOENT, ERR_CONTAINER_NOT_FOUND, "container_id",
			"there is no such container on this node");
		return OPDEF_REFUSED;
	}
	if (target ? strcmp(target, id) == 0 : strcmp(project, c->spec.project_id) == 0)
		return OPDEF_RUN;
	(void)err_set(&op->err, -EINVAL, ERR_INVALID_PARAMS, "container_id",
		"the share is not meant for this container");
	return OPDEF_REFUSED;
}

static int mount_begin(struct agent *a, struct operation *op)
{
	char id[IDENT_ID_LEN + 1];
	json_t *v;

	localorder_new_id(id);
	sharelist_keep(a->store, share_id(op));
	v = sharelist_override(a->store, share_id(op), text(op->order.params, "container_id"), id,
		json_is_true(param(op, "mount")), agent_now_ms());
	json_decref(v);
	return 0;
}

static void mount_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *share = recorded(a, op);
	bool mount = json_is_true(param(op, "mount"));
	const char *id = text(op->order.params, "container_id");

	sharelist_settle(a->store, share_id(op));
	op->result = jsonx_pack("{s:O, s:o}", "share", share, "override",
		sharelist_override(a->store, share_id(op), id, "", mount, agent_now_ms()));
	tell_unmounted(a, op, share);
	tell_share(a, share, "mount_changed",
		jsonx_pack(
			"{s:s, s:s, s:b}", "id", share_id(op), "container_id", id, "mount", mount));
}

/* --- the table --- */

static const struct opdef_step steps[] = {
	{ "mounts", .params = targets },
};

#define STEPS(list) (list), countof(list)

const struct opdef ops_share[] = {
	{ OP_SHARE_CREATE, OPDEF_RESUME, create_check, create_begin, create_finish, create_abandon,
		STEPS(steps), lanes },
	{ OP_SHARE_UPDATE, OPDEF_RESUME, update_check, update_begin, update_finish, put_back,
		STEPS(steps), lanes },
	{ OP_SHARE_DELETE, OPDEF_RESUME, delete_check, NULL, delete_finish, NULL, STEPS(steps),
		lanes },
	{ OP_SHARE_MOUNT, OPDEF_RESUME, mount_check, mount_begin, mount_finish, put_back,
		STEPS(steps), lanes },
};
const size_t ops_share_count = countof(ops_share);
