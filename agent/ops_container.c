/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container.* ops: their step tables, the states that allow them, and what they leave behind.
 */
#include <sodium.h>

#include "agent/fwlist.h"
#include "agent/imagelist.h"
#include "agent/netlist.h"
#include "agent/ctnet.h"
#include "agent/ops.h"
#include "agent/opstate.h"
#include "agent/snaplist.h"
#include "agent/tell.h"
#include "proto/jsonx.h"

/* --- create --- */

/* What the protocol lets an order ask for and this agent can't do yet: refused rather than
 * forgotten. */
static bool is_true(const json_t *v)
{
	return json_is_true(v);
}

static bool is_filled_object(const json_t *v)
{
	return json_object_size(v) > 0;
}

static bool is_number(const json_t *v)
{
	return json_is_number(v);
}

static bool is_project_scope(const json_t *v)
{
	return json_is_string(v) && strcmp(json_string_value(v), "project") == 0;
}

static bool is_text(const json_t *v)
{
	return json_is_string(v);
}

static bool is_anything(const json_t *v)
{
	return v != NULL;
}

static const struct wish {
	const char *object; /* NULL: params itself */
	const char *member;
	bool (*asks)(const json_t *v);
	enum errcode code;
} create_not_yet[] = {
	{ NULL, "kvm", is_true, ERR_NOT_IMPLEMENTED },
	{ NULL, "environment_vars", is_filled_object, ERR_NOT_IMPLEMENTED },
	{ NULL, "ssh_public_key", is_text, ERR_NOT_IMPLEMENTED },
	{ NULL, "ramdisk_scope", is_project_scope, ERR_NOT_IMPLEMENTED },
	{ "limits", "io_read_bps", is_number, ERR_LIMIT_NOT_SUPPORTED },
	{ "limits", "io_write_bps", is_number, ERR_LIMIT_NOT_SUPPORTED },
};

static const struct wish update_not_yet[] = {
	{ NULL, "ssh_public_key", is_anything, ERR_NOT_IMPLEMENTED },
	{ NULL, "ramdisk", is_anything, ERR_NOT_IMPLEMENTED },
	{ NULL, "ramdisk_scope", is_anything, ERR_NOT_IMPLEMENTED },
	{ NULL, "limits", is_anything, ERR_NOT_IMPLEMENTED },
};

static bool can_do_all(struct operation *op, const struct wish *not_yet, size_t n)
{
	for (const struct wish *w = not_yet; w < not_yet + n; w++) {
		const json_t *obj =
			w->object ? json_object_get(op->order.params, w->object) : op->order.params;
		char field[64];

		if (!w->asks(json_object_get(obj, w->member)))
			continue;
		(void)snprintf(field, sizeof(field), "%s%s%s", w->object ? w->object : "",
			w->object ? "." : "", w->member);
		(void)err_set(&op->err, -ENOTSUP, w->code, field,
			"this agent can't do what %s asks for yet", field);
		return false;
	}
	return true;
}

static void params_digest(const struct operation *op, uint8_t ret[static 32])
{
	_cleanup_(freep) char *text = jsonx_canonical(op->order.params);

	(void)crypto_hash_sha256(ret, (const uint8_t *)text, strlen(text));
}

static void image_of(const struct operation *op, char ret[static IMAGELIST_NAME_MAX + 1])
{
	imagelist_normalise(json_string_value(json_object_get(op->order.params, "image")), ret);
}

/* Of a built-in one the worker says whether this host can make it. */
static bool has_image(struct agent *a, struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1];

	image_of(op, name);
	if (imagelist_is_builtin(name) || imagelist_digest(a->store, name, digest))
		return true;
	(void)err_set(&op->err, -ENOENT, ERR_IMAGE_NOT_FOUND, "image",
		"image %s is not on this node", name);
	return false;
}

static json_t *rootfs_params(struct agent *a, const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1];

	image_of(op, name);
	return json_pack("{s:s*}", "digest",
		imagelist_is_builtin(name)                 ? NULL
		: imagelist_digest(a->store, name, digest) ? digest
							   : "none");
}

static enum ops_verdict create_check(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	uint8_t digest[32];

	if (!c)
		return can_do_all(op, create_not_yet, countof(create_not_yet)) && has_image(a, op)
			       ? OPS_RUN
			       : OPS_REFUSED;
	params_digest(op, digest);
	if (memcmp(digest, c->params_digest, sizeof(digest)) != 0)
		return opstate_refuse(op, -EEXIST, ERR_CONTAINER_EXISTS,
			"a container of this id exists and was created with other parameters");
	op->result = json_pack("{s:s}", "status", desired_status_name(c->status));
	return OPS_NOTHING;
}

static void copy_param(char *to, size_t size, const json_t *params, const char *key)
{
	const char *value = json_string_value(json_object_get(params, key));

	(void)snprintf(to, size, "%s", value ? value : "");
}

static void spec_from_params(const struct order *o, struct ctspec *ret)
{
	const json_t *limits = json_object_get(o->params, "limits");
	const json_t *autostart = json_object_get(o->params, "autostart");

	*ret = (struct ctspec){
		.autostart = !json_is_false(autostart),
		.limits = {
			.cpu_cores = json_number_value(json_object_get(limits, "cpu_cores")),
			.memory_bytes = json_integer_value(json_object_get(limits, "memory_bytes")),
			.pids = json_integer_value(json_object_get(limits, "pids")),
			.disk_bytes = json_integer_value(json_object_get(limits, "disk_bytes")),
			.net_bps = json_integer_value(json_object_get(limits, "net_bps")),
		},
	};
	strcpy(ret->id, o->container_id);
	strcpy(ret->project_id, o->project_id);
	copy_param(ret->name, sizeof(ret->name), o->params, "name");
	imagelist_normalise(json_string_value(json_object_get(o->params, "image")), ret->image);
}

static int create_begin(struct agent *a, struct operation *op)
{
	struct ctspec spec;
	struct container *c;
	uint8_t digest[32];
	int r;

	spec_from_params(&op->order, &spec);
	params_digest(op, digest);
	r = desired_add(a->desired, &spec, digest, agent_now_ms(), &c);
	if (r < 0)
		return err_set(&op->err, r, ERR_NO_SPACE, "IdBase",
			"no range of user ids is left for another container");
	tell_status(a, c, CT_NONE, CT_CREATING, 0, opstate_cause(op), NULL);
	return 0;
}

static bool create_without_start(const struct operation *op)
{
	return json_is_false(json_object_get(op->order.params, "start"));
}

static void create_finish(struct agent *a, struct operation *op)
{
	opstate_move(a, op, create_without_start(op) ? CT_STOPPED : CT_RUNNING);
}

static void create_abandon(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);

	if (!c)
		return;
	opstate_move(a, op, CT_FAILED);
	desired_remove(a->desired, c);
}

static const struct ops_step create_steps[] = {
	{ "rootfs", .has_undo = true, .params = rootfs_params },
	{ OPS_LAUNCH, .skip = create_without_start },
};

/* --- update --- */

static enum ops_verdict update_check(struct agent *a, struct operation *op)
{
	enum ops_verdict verdict = opstate_check(a, op, ~(OPSTATE(DELETING) | OPSTATE(CREATING)));

	if (verdict != OPS_RUN)
		return verdict;
	return can_do_all(op, update_not_yet, countof(update_not_yet)) ? OPS_RUN : OPS_REFUSED;
}

/* The name is what the container calls itself from its next start on; nothing of ours goes by it. */
static void update_finish(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	const json_t *autostart = json_object_get(op->order.params, "autostart");
	struct ctspec spec = c->spec;

	if (json_object_get(op->order.params, "name"))
		copy_param(spec.name, sizeof(spec.name), op->order.params, "name");
	if (autostart)
		spec.autostart = json_is_true(autostart);
	desired_change(a->desired, c, &spec, agent_now_ms());
	op->result = json_pack("{s:s, s:s, s:b}", "status", desired_status_name(c->status), "name",
		c->spec.name, "autostart", c->spec.autostart);
}

/* --- start, stop, restart --- */

static enum ops_verdict start_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(STOPPED) | OPSTATE(FAILED));
}

static const struct ops_step start_steps[] = {
	{ OPS_LAUNCH },
};

static enum ops_verdict stop_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(RUNNING));
}

static const struct ops_step stop_steps[] = {
	{ "shutdown" },
};

static enum ops_verdict force_stop_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(RUNNING) | OPSTATE(PAUSED) | OPSTATE(FAILED));
}

static const struct ops_step force_stop_steps[] = {
	{ "kill" },
};

static enum ops_verdict restart_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(RUNNING) | OPSTATE(STOPPED) | OPSTATE(FAILED));
}

static bool was_not_running(const struct operation *op)
{
	return op->prev_status != CT_RUNNING;
}

/* Between its halves the old init's end is ordered: it must not be taken for the new one's. */
static const struct ops_step restart_steps[] = {
	{ "shutdown", .skip = was_not_running },
	{ OPS_LAUNCH },
};

/* --- pause, resume --- */

static const struct ops_step pause_steps[] = {
	{ "freeze", .has_undo = true },
};

static enum ops_verdict resume_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(PAUSED));
}

static const struct ops_step resume_steps[] = {
	{ "thaw", .has_undo = true },
};

/* --- delete --- */

static enum ops_verdict delete_check(struct agent *a, struct operation *op)
{
	bool force = json_is_true(json_object_get(op->order.params, "force"));

	if (!opstate_container(a, op))
		return OPS_NOTHING;
	return opstate_check(a, op,
		force ? ~0u
		      : OPSTATE(STOPPED) | OPSTATE(FAILED) | OPSTATE(DELETING) | OPSTATE(CREATING));
}

static int delete_begin(struct agent *a, struct operation *op)
{
	opstate_move(a, op, CT_DELETING);
	return 0;
}

static void delete_finish(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);

	opstate_move(a, op, CT_DELETED);
	snaplist_remove_all(a->store, c->spec.id);
	fwlist_remove_all(a->store, c->spec.id);
	netlist_remove(a->store, c->spec.id);
	desired_remove(a->desired, c);
}

static void delete_abandon(struct agent *a, struct operation *op)
{
	opstate_move(a, op, CT_FAILED);
}

static const struct ops_step delete_steps[] = {
	{ "kill" },
	{ "rootfs-remove" },
};

/* --- the table --- */

#define STEPS(list) (list), countof(list)

const struct opdef ops_container[] = {
	{ OP_CONTAINER_CREATE, OPS_RESUME, create_check, create_begin, create_finish,
		create_abandon, STEPS(create_steps) },
	{ OP_CONTAINER_UPDATE, OPS_RESUME, update_check, NULL, update_finish, NULL, NULL, 0 },
	{ OP_CONTAINER_START, OPS_RESUME, start_check, NULL, opstate_running, opstate_as_observed,
		STEPS(start_steps) },
	{ OP_CONTAINER_STOP, OPS_RESUME, stop_check, NULL, opstate_stopped, opstate_as_observed,
		STEPS(stop_steps) },
	{ OP_CONTAINER_FORCE_STOP, OPS_RESUME, force_stop_check, NULL, opstate_stopped,
		opstate_as_observed, STEPS(force_stop_steps) },
	{ OP_CONTAINER_RESTART, OPS_RESUME, restart_check, NULL, opstate_running,
		opstate_as_observed, STEPS(restart_steps) },
	{ OP_CONTAINER_PAUSE, OPS_RESUME, stop_check, NULL, opstate_paused, opstate_as_observed,
		STEPS(pause_steps) },
	{ OP_CONTAINER_RESUME, OPS_RESUME, resume_check, NULL, opstate_running, opstate_as_observed,
		STEPS(resume_steps) },
	{ OP_CONTAINER_DELETE, OPS_RESUME, delete_check, delete_begin, delete_finish,
		delete_abandon, STEPS(delete_steps) },
};
const size_t ops_container_count = countof(ops_container);
