/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container.* ops: for each which states allow it, its steps, and what stays behind. check()
 * changes nothing and is asked once; begin() records, before any step, what a successor must
 * find; steps are the worker's jobs, undone in reverse when one fails; finish() or abandon()
 * settles status and wanted state in the transaction that ends the order.
 *
 * What is wanted is recorded at the end where a failure must leave the old (an update), and at
 * the beginning where the thing itself is made (create: the container is there, CREATING, and is
 * forgotten when it fails; delete: it is DELETING until its root is gone). An op that was made
 * already is told as done. Nothing here touches the host but for a look for /dev/kvm: that is
 * the steps', or agent/host's. */
#include <sodium.h>

#include "agent/host/ctfiles.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctmounts.h"
#include "agent/host/ctnet.h"
#include "agent/host/ctstop.h"
#include "agent/host/imagejob.h"
#include "agent/host/pooldir.h"
#include "agent/ops/distinct.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/envlist.h"
#include "agent/state/imagelist.h"
#include "agent/state/keylist.h"
#include "agent/state/notelist.h"
#include "proto/jsonx.h"
#include "proto/signame.h"

/* As Docker has it. The kernel charges by batches for each processor: of 1 MiB, some begin and some
 * don't. */
#define MEMORY_MIN (6LL << 20)

/* --- create --- */

static const json_t *param(const struct operation *op, const char *key)
{
	return json_object_get(op->order.params, key);
}

/* What a host may lack is refused rather than forgotten. */
static bool has_kvm(struct operation *op)
{
	if (!json_is_true(param(op, "kvm")) || access("/dev/kvm", F_OK) == 0)
		return true;
	(void)err_set(&op->err, -ENODEV, ERR_LIMIT_NOT_SUPPORTED, "kvm",
		"this host has no /dev/kvm to grant");
	return false;
}

/* Less than that no process begins in: the kernel kills it, or lets it wait for ever. */
static bool has_memory(struct operation *op)
{
	json_int_t bytes = json_integer_value(json_object_get(param(op, "limits"), "memory_bytes"));

	if (bytes == 0 || bytes >= MEMORY_MIN)
		return true;
	(void)err_set(&op->err, -ERANGE, ERR_LIMIT_NOT_SUPPORTED, "limits.memory_bytes",
		"limits.memory_bytes is too small: a container takes at least %lld", MEMORY_MIN);
	return false;
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
	return jsonx_pack("{s:s*, s:o}", "digest",
		imagelist_is_builtin(name)                 ? NULL
		: imagelist_digest(a->store, name, digest) ? digest
							   : "none",
		"files", ctfiles_json(a, opstate_container(a, op)));
}

static enum opdef_verdict create_check(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	uint8_t digest[32];

	if (!c)
		return has_kvm(op) && has_memory(op) && has_image(a, op) && distinct_check(a, op)
			       ? OPDEF_RUN
			       : OPDEF_REFUSED;
	params_digest(op, digest);
	if (memcmp(digest, c->params_digest, sizeof(digest)) != 0 ||
		strcmp(c->spec.project_id, op->order.project_id) != 0)
		return opstate_refuse(op, -EEXIST, ERR_CONTAINER_EXISTS,
			"a container of this id exists and was created with other parameters, or "
			"in another project");
	op->result = jsonx_pack("{s:s}", "status", desired_status_name(c->status));
	return OPDEF_NOTHING;
}

static void copy_param(char *to, size_t size, const json_t *params, const char *key)
{
	const char *value = json_string_value(json_object_get(params, key));

	(void)snprintf(to, size, "%s", value ? value : "");
}

static bool is_project_scope(const json_t *params)
{
	const char *scope = json_string_value(json_object_get(params, "ramdisk_scope"));

	return scope && strcmp(scope, "project") == 0;
}

/* What its image asks to be ended by, kept with it: it goes where its root goes. */
static int image_signal(struct agent *a, const char *image)
{
	char digest[IMAGELIST_DIGEST_LEN + 1];
	_cleanup_(freep) char *word = imagelist_digest(a->store, image, digest)
					      ? imagelist_stop_signal(a->store, digest)
					      : NULL;

	return word ? MAX_OF(signame_parse(word), 0) : 0;
}

/* Of the image that the root is made of: its name may have been given to another since the order
 * began. */
static int take_signal(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	struct ctspec spec = c->spec;

	spec.stop_signal = image_signal(a, spec.image);
	if (spec.stop_signal != c->spec.stop_signal)
		desired_change(a->desired, c, &spec, agent_now_ms());
	return 0;
}

static void spec_from_params(const struct order *o, struct ctspec *ret)
{
	*ret = (struct ctspec){
		.autostart = !json_is_false(json_object_get(o->params, "autostart")),
		.hoody_kit = !json_is_false(json_object_get(o->params, "hoody_kit")),
		.ramdisk = !json_is_false(json_object_get(o->params, "ramdisk")),
		.ramdisk_project = is_project_scope(o->params),
		.kvm = json_is_true(json_object_get(o->params, "kvm")),
	};
	ctspec_limits_merge(&ret->limits, json_object_get(o->params, "limits"));
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

	pooldir_begin(a);
	spec_from_params(&op->order, &spec);
	spec.stop_signal = image_signal(a, spec.image);
	params_digest(op, digest);
	r = desired_add(a->desired, &spec, digest, agent_now_ms(), &c);
	if (r < 0)
		return opstate_no_room(op, r);
	keylist_set(a->store, c->spec.id, json_string_value(param(op, "ssh_public_key")),
		agent_now_ms());
	notelist_take(a->store, c->spec.id, op->order.params);
	if (param(op, "environment_vars"))
		(void)envlist_wish(a->store, c->spec.id, param(op, "environment_vars"));
	opstate_begin(a, op, c, CT_CREATING);
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
	opstate_forget(a, c);
}

/* What the cache has is not taken as it is: it is held against what was once unpacked, and made
 * anew of its archive where it differs. */
static bool wants_fresh_image(const json_t *params)
{
	return json_is_false(json_object_get(params, "cache")) ||
	       json_is_true(json_object_get(params, "cache_image"));
}

static bool trusts_image(const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1];

	image_of(op, name);
	return !wants_fresh_image(op->order.params) || imagelist_is_builtin(name);
}

static bool has_intact_image(const struct operation *op)
{
	return trusts_image(op) || json_is_true(json_object_get(op->step_data, "intact"));
}

static json_t *image_params(struct agent *a, const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1];
	_cleanup_json_ json_t *image = NULL;

	image_of(op, name);
	image = imagelist_one(a->store, name);
	return imagejob_params(a, json_string_value(json_object_get(image, "url")),
		json_string_value(json_object_get(image, "sha256")));
}

/* Behind the order that is yet to pull its image, or to remove it; who pulls again what is there
 * need not be waited for. */
static void create_lanes(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1] = "";

	unfinished_follow_project(a, o, l);
	imagelist_normalise(json_string_value(json_object_get(o->params, "image")), name);
	(void)imagelist_digest(a->store, name, digest);
	if (wants_fresh_image(o->params) || unfinished_changes_image(a->engine, name, digest))
		oprules_add_lane(l, "image", NULL);
}

static const struct opdef_step create_steps[] = {
	{ "image-verify", .skip = trusts_image, .params = image_params },
	{ "image-fetch", .has_undo = true, .skip = has_intact_image, .params = image_params },
	{ "image-unpack", .has_undo = true, .skip = has_intact_image, .params = image_params },
	{ "rootfs", .has_undo = true, .params = rootfs_params, .here = take_signal },
	{ OPS_LAUNCH, .skip = create_without_start },
};

/* --- update --- */

static bool keeps_env(const struct operation *op)
{
	return !param(op, "environment_vars");
}

/* What was wished before comes back when it fails. */
static int update_begin(struct agent *a, struct operation *op)
{
	const struct container *c = opstate_container(a, op);

	if (keeps_env(op))
		return 0;
	if (envlist_wish(a->store, c->spec.id, param(op, "environment_vars")))
		tell_env(a, c, "updated",
			jsonx_pack("{s:o}", "env_sync", envlist_sync(a->store, c->spec.id)));
	envlist_begin_anew(a->store, c->spec.id);
	return 0;
}

static void update_abandon(struct agent *a, struct operation *op)
{
	if (!keeps_env(op))
		envlist_revert(a->store, op->order.container_id);
}

static enum opdef_verdict update_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(a, op, ~(OPSTATE(DELETING) | OPSTATE(CREATING)));

	return v == OPDEF_RUN && (!has_memory(op) || !distinct_check(a, op)) ? OPDEF_REFUSED : v;
}

static struct ctspec updated_spec(struct agent *a, const struct operation *op)
{
	const json_t *autostart = param(op, "autostart"), *ramdisk = param(op, "ramdisk");
	struct ctspec spec = opstate_container(a, op)->spec;

	if (param(op, "name"))
		copy_param(spec.name, sizeof(spec.name), op->order.params, "name");
	if (autostart)
		spec.autostart = json_is_true(autostart);
	if (ramdisk)
		spec.ramdisk = json_is_true(ramdisk);
	if (param(op, "ramdisk_scope"))
		spec.ramdisk_project = is_project_scope(op->order.params);
	ctspec_limits_merge(&spec.limits, param(op, "limits"));
	return spec;
}

static bool is_same_key(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A key that is no longer good takes the sessions with it that it has opened. */
static json_t *update_files(struct agent *a, const struct operation *op)
{
	const struct container *c = opstate_container(a, op);
	struct ctspec spec = updated_spec(a, op);
	_cleanup_(freep) char *old = keylist_get(a->store, c->spec.id);
	const char *key =
		param(op, "ssh_public_key") ? json_string_value(param(op, "ssh_public_key")) : old;
	char from[CTSPEC_HOSTNAME_MAX + 1], to[CTSPEC_HOSTNAME_MAX + 1];

	ctspec_hostname(&c->spec, from);
	ctspec_hostname(&spec, to);
	return jsonx_pack("{s:{s:s?, s:b, s:{s:s, s:s}}}", "files", "key",
		op->at.undoing ? old : key, "end_sessions",
		old && !is_same_key(old, key) && !op->at.undoing, "hostname", "from",
		op->at.undoing ? to : from, "to", op->at.undoing ? from : to);
}

static bool keeps_files(const struct operation *op)
{
	return !param(op, "ssh_public_key") && !param(op, "name");
}

static json_t *update_limits(struct agent *a, const struct operation *op)
{
	struct ctspec spec = updated_spec(a, op);

	return jsonx_pack("{s:o}", "spec", ctspec_to_json(&spec));
}

static bool keeps_limits(const struct operation *op)
{
	return !param(op, "limits");
}

static json_t *update_env(struct agent *a, const struct operation *op)
{
	return jsonx_pack(
		"{s:{s:o}}", "files", "env", ctfiles_environment(a, opstate_container(a, op)));
}

/* As it is to be, or as it was. */
static json_t *update_ramdisk(struct agent *a, const struct operation *op)
{
	struct ctspec spec = op->at.undoing ? opstate_container(a, op)->spec : updated_spec(a, op);

	return jsonx_pack("{s:o, s:o}", "spec", ctspec_to_json(&spec), "mounts",
		ctmounts_wanted_by(a, &spec));
}

static bool keeps_ramdisk(const struct operation *op)
{
	return !param(op, "ramdisk") && !param(op, "ramdisk_scope");
}

static void update_finish(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	struct ctspec spec = updated_spec(a, op);

	if (param(op, "ssh_public_key"))
		keylist_set(a->store, c->spec.id, json_string_value(param(op, "ssh_public_key")),
			agent_now_ms());
	notelist_take(a->store, c->spec.id, op->order.params);
	desired_change(a->desired, c, &spec, agent_now_ms());
	op->result = jsonx_pack("{s:s, s:s, s:b}", "status", desired_status_name(c->status), "name",
		c->spec.name, "autostart", c->spec.autostart);
	keylist_show(a->store, c->spec.id, op->result);
	if (keeps_env(op))
		return;
	envlist_settle(a->store, c->spec.id);
	jsonx_set(op->result, "environment_vars", envlist_vars(a->store, c->spec.id));
	jsonx_set(op->result, "env_sync", envlist_sync(a->store, c->spec.id));
}

/* Nothing of ours goes by the name; the container goes by it at once. Variables come last, since
 * nothing can make that step fail but the worker's death, after which it is made again. */
static const struct opdef_step update_steps[] = {
	{ "files", .has_undo = true, .skip = keeps_files, .params = update_files },
	{ "limits", .has_undo = true, .skip = keeps_limits, .params = update_limits },
	{ "mounts-own", .has_undo = true, .skip = keeps_ramdisk, .params = update_ramdisk },
	{ "files", .skip = keeps_env, .params = update_env },
};

/* --- kvm --- */

static enum opdef_verdict kvm_check(struct agent *a, struct operation *op)
{
	enum opdef_verdict v = opstate_check(a, op, OPSTATE(STOPPED) | OPSTATE(FAILED));

	return v == OPDEF_RUN && !has_kvm(op) ? OPDEF_REFUSED : v;
}

static void kvm_finish(struct agent *a, struct operation *op)
{
	struct container *c = opstate_container(a, op);
	struct ctspec spec = c->spec;

	spec.kvm = json_is_true(param(op, "kvm"));
	desired_change(a->desired, c, &spec, agent_now_ms());
	op->result = jsonx_pack("{s:s, s:s, s:s, s:b}", "id", c->spec.id, "name", c->spec.name,
		"status", desired_status_name(c->status), "kvm", c->spec.kvm);
}

/* --- start, stop, restart --- */

static enum opdef_verdict start_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(STOPPED) | OPSTATE(FAILED));
}

static const struct opdef_step start_steps[] = {
	{ OPS_LAUNCH },
};

static enum opdef_verdict stop_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(RUNNING));
}

static const struct opdef_step stop_steps[] = {
	{ .name = "ask", .wait = ctstop_wait },
	{ "ended" },
};

static enum opdef_verdict force_stop_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(RUNNING) | OPSTATE(PAUSED) | OPSTATE(FAILED));
}

static const struct opdef_step force_stop_steps[] = {
	{ "kill" },
};

/* One that is said to be paused, and has restarted itself, is not (agent/host/ctwatch.h). */
static enum opdef_verdict restart_check(struct agent *a, struct operation *op)
{
	unsigned own = operation_is_own(op) ? OPSTATE(PAUSED) : 0;

	return opstate_check(a, op, OPSTATE(RUNNING) | OPSTATE(STOPPED) | OPSTATE(FAILED) | own);
}

static bool was_not_running(const struct operation *op)
{
	return op->prev_status != CT_RUNNING;
}

/* Between its halves the old init's end is ordered: it must not be taken for the new one's. One
 * that can't start again is started as it was before. */
static const struct opdef_step restart_steps[] = {
	{ .name = "ask", .wait = ctstop_wait, .skip = was_not_running },
	{ "ended", .has_undo = true, .params = opstate_launch_params, .skip = was_not_running,
		.undo_here = ctnet_before_launch },
	{ OPS_LAUNCH },
};

/* --- pause, resume --- */

static const struct opdef_step pause_steps[] = {
	{ "freeze", .has_undo = true },
};

static enum opdef_verdict resume_check(struct agent *a, struct operation *op)
{
	return opstate_check(a, op, OPSTATE(PAUSED));
}

static const struct opdef_step resume_steps[] = {
	{ "thaw", .has_undo = true },
};

/* --- delete --- */

static enum opdef_verdict delete_check(struct agent *a, struct operation *op)
{
	bool force = json_is_true(json_object_get(op->order.params, "force"));

	if (!opstate_container(a, op))
		return OPDEF_NOTHING;
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
	opstate_forget(a, c);
}

static void delete_abandon(struct agent *a, struct operation *op)
{
	opstate_not_deleted(a, op, opstate_container(a, op));
}

static const struct opdef_step delete_steps[] = {
	{ "kill" },
	{ "rootfs-remove", .params = opstate_remove_params },
};

/* --- the table --- */

#define STEPS(list) (list), countof(list)

const struct opdef ops_container[] = {
	{ OP_CONTAINER_CREATE, OPDEF_RESUME, create_check, create_begin, create_finish,
		create_abandon, STEPS(create_steps), create_lanes },
	{ OP_CONTAINER_UPDATE, OPDEF_RESUME, update_check, update_begin, update_finish,
		update_abandon, STEPS(update_steps) },
	{ OP_CONTAINER_KVM, OPDEF_RESUME, kvm_check, NULL, kvm_finish, NULL, NULL, 0 },
	{ OP_CONTAINER_START, OPDEF_RESUME, start_check, NULL, opstate_running, opstate_as_observed,
		STEPS(start_steps) },
	{ OP_CONTAINER_STOP, OPDEF_RESUME, stop_check, NULL, opstate_stopped, opstate_as_observed,
		STEPS(stop_steps) },
	{ OP_CONTAINER_FORCE_STOP, OPDEF_RESUME, force_stop_check, NULL, opstate_stopped,
		opstate_as_observed, STEPS(force_stop_steps) },
	{ OP_CONTAINER_RESTART, OPDEF_RESUME, restart_check, NULL, opstate_running_anew,
		opstate_as_observed, STEPS(restart_steps) },
	{ OP_CONTAINER_PAUSE, OPDEF_RESUME, stop_check, NULL, opstate_paused, opstate_as_observed,
		STEPS(pause_steps) },
	{ OP_CONTAINER_RESUME, OPDEF_RESUME, resume_check, NULL, opstate_running,
		opstate_as_observed, STEPS(resume_steps) },
	{ OP_CONTAINER_DELETE, OPDEF_RESUME, delete_check, delete_begin, delete_finish,
		delete_abandon, STEPS(delete_steps) },
};
const size_t ops_container_count = countof(ops_container);
