/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.pull and image.remove. They share a lane, so what several pull at once is fetched once. A
 * container that was ordered before is made of what its image was then: they end when those have
 * been made. One that is ordered later comes behind them in their lane. */
#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/engine/engine.h"
#include "agent/engine/unfinished.h"
#include "agent/host/imagejob.h"
#include "agent/host/pooldir.h"
#include "agent/ops/ops.h"
#include "agent/state/imagelist.h"
#include "proto/jsonx.h"
#include "proto/signame.h"

#define MAKERS_LOOK_US 20000
#define MAKERS_WAIT_MS 60000

static const char *param(const struct operation *op, const char *key)
{
	return json_string_value(json_object_get(op->order.params, key));
}

static void name_of(const struct operation *op, char ret[static IMAGELIST_NAME_MAX + 1])
{
	imagelist_normalise(param(op, "image"), ret);
}

/* --- who makes a container of it --- */

struct makers {
	struct operation *op;
	int64_t end_ms; /* elapsed */
	sd_event_source *timer;
};

static bool are_there(const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1];

	name_of(op, name);
	return unfinished_makes_of_image(op->agent->engine, op, name);
}

static void let_makers_be(void *waits)
{
	struct makers *m = waits;

	m->timer = sd_event_source_disable_unref(m->timer);
	free(m);
}

static int look_again(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct makers *m = userdata;
	struct operation *op = m->op;

	if (are_there(op) && agent_elapsed_ms() < m->end_ms) {
		(void)sd_event_source_set_time_relative(s, MAKERS_LOOK_US);
		(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
		return 0;
	}
	op->waits = NULL;
	let_makers_be(m);
	engine_go_on(op, 0);
	return 0;
}

/* Not for ever: a container's making may itself wait for what takes its time. The last attempt is
 * made alone, while all others are held. */
static int await_makers(struct agent *a, struct operation *op)
{
	struct makers *m;

	if (op->last_attempt || !are_there(op))
		return 0;
	m = xcalloc(1, sizeof(*m));
	m->op = op;
	m->end_ms = agent_elapsed_ms() + MAKERS_WAIT_MS;
	op->waits = m;
	op->waits_free = let_makers_be;
	if (sd_event_add_time_relative(
		    a->event, &m->timer, CLOCK_BOOTTIME, MAKERS_LOOK_US, 1000, look_again, m) < 0)
		abort(); /* only for want of memory */
	return 1;
}

/* --- pull --- */

static bool wants_refresh(const struct operation *op)
{
	return json_is_true(json_object_get(op->order.params, "refresh"));
}

/* Has the step before seen that the tree is what was unpacked? Lost in a crash: then it is
 * fetched. */
static bool is_intact(const struct operation *op)
{
	return json_is_true(json_object_get(op->step_data, "intact"));
}

static bool is_known(const struct operation *op)
{
	return imagelist_is_used(op->agent->store, param(op, "sha256"), NULL);
}

static bool needs_no_look(const struct operation *op)
{
	return !wants_refresh(op) || !is_known(op);
}

static bool is_here(const struct operation *op)
{
	return is_known(op) && (!wants_refresh(op) || is_intact(op));
}

static enum opdef_verdict pull_check(struct agent *a, struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1];

	name_of(op, name);
	if (imagelist_is_builtin(name)) {
		(void)err_set(&op->err, -EINVAL, ERR_INVALID_PARAMS, "image",
			"a built-in image is not pulled");
		return OPDEF_REFUSED;
	}
	if (!wants_refresh(op) && imagelist_digest(a->store, name, digest) &&
		strcmp(digest, param(op, "sha256")) == 0) {
		op->result =
			jsonx_pack("{s:s, s:s, s:b}", "image", name, "sha256", digest, "cached", 1);
		return OPDEF_NOTHING;
	}
	return OPDEF_RUN;
}

static json_t *fetch_params(struct agent *a, const struct operation *op)
{
	json_t *v = imagejob_courier(a);
	json_t *own = jsonx_pack("{s:s, s:s, s:O*, s:I}", "url", param(op, "url"), "digest",
		param(op, "sha256"), "size", json_object_get(op->order.params, "size"), "max_bytes",
		(json_int_t)a->conf.storage.image_max_bytes);

	(void)json_object_update(v, own);
	json_decref(own);
	return v;
}

static json_t *unpack_params(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:s, s:I, s:I, s:b, s:b}", "digest", param(op, "sha256"), "max_bytes",
		(json_int_t)a->conf.storage.image_max_bytes, "max_files",
		(json_int_t)a->conf.storage.image_max_files, "replace", wants_refresh(op), "known",
		is_known(op));
}

static json_t *verify_params(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:s}", "digest", param(op, "sha256"));
}

/* What the name meant before, when nothing else means it. */
static bool old_digest(const struct operation *op, char ret[static IMAGELIST_DIGEST_LEN + 1])
{
	char name[IMAGELIST_NAME_MAX + 1];

	name_of(op, name);
	return imagelist_digest(op->agent->store, name, ret) &&
	       strcmp(ret, param(op, "sha256")) != 0 &&
	       !imagelist_is_used(op->agent->store, ret, name);
}

static bool has_no_old(const struct operation *op)
{
	char digest[IMAGELIST_DIGEST_LEN + 1];

	return !old_digest(op, digest);
}

/* What the new one's unpacking has said is lost with an agent: then it is asked again. */
static json_t *old_params(struct agent *a, const struct operation *op)
{
	bool lost = !op->step_data && !is_known(op);
	char digest[IMAGELIST_DIGEST_LEN + 1];

	return jsonx_pack("{s:s, s:s*}", "digest", old_digest(op, digest) ? digest : "none", "of",
		lost ? param(op, "sha256") : NULL);
}

/* In the report; what can't be followed is said there, too. */
static void tell_signal(struct operation *op, const char *image, const char *word)
{
	if (signame_parse(word) > 0) {
		jsonx_set_string(op->result, "stop_signal", word);
		return;
	}
	jsonx_set(op->result, "warnings",
		jsonx_pack("[o]",
			json_sprintf("StopSignal \"%s\" is no signal that anybody can be asked "
				     "by: it is ignored",
				word)));
	LOG(LOG_WARNING, IMAGE_SIGNAL, FIELDS(.order_id = op->order.id),
		"image %s: its StopSignal \"%s\" is no signal that anybody can be asked by, and is "
		"ignored",
		image, word);
}

static void pull_finish(struct agent *a, struct operation *op)
{
	const char *digest = param(op, "sha256"),
		   *said = json_string_value(json_object_get(op->step_data, "stop_signal"));
	int64_t size = json_integer_value(json_object_get(op->step_data, "size"));
	_cleanup_(freep) char *word = NULL;
	char name[IMAGELIST_NAME_MAX + 1];

	name_of(op, name);
	if (size == 0) /* it was there, under another name */
		size = imagelist_size(a->store, digest);
	word = said ? xstrdup(said) : imagelist_stop_signal(a->store, digest);
	imagelist_put(a->store, &(struct imagelist_entry){ .name = name,
					.digest = digest,
					.url = param(op, "url"),
					.stop_signal = word && *word ? word : NULL,
					.size = size,
					.created_ms = agent_now_ms() });
	op->result = jsonx_pack("{s:s, s:s, s:I, s:b, s:b}", "image", name, "sha256",
		param(op, "sha256"), "size", (json_int_t)size, "cached", is_intact(op), "verified",
		1);
	if (word && *word)
		tell_signal(op, name, word);
}

static int pull_begin(struct agent *a, struct operation *op)
{
	pooldir_begin(a);
	return 0;
}

static const struct opdef_step pull_steps[] = {
	{ "image-verify", .skip = needs_no_look, .params = verify_params },
	{ "image-fetch", .has_undo = true, .skip = is_here, .params = fetch_params },
	{ "image-unpack", .has_undo = true, .skip = is_here, .params = unpack_params },
	{ .name = "makers", .wait = await_makers },
	{ "image-remove", .lenient = true, .skip = has_no_old, .params = old_params },
};

/* --- remove --- */

static enum opdef_verdict remove_check(struct agent *a, struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1];

	name_of(op, name);
	return imagelist_digest(a->store, name, digest) ? OPDEF_RUN : OPDEF_NOTHING;
}

static bool is_shared(const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1];

	name_of(op, name);
	return !imagelist_digest(op->agent->store, name, digest) ||
	       imagelist_is_used(op->agent->store, digest, name);
}

static json_t *remove_params(struct agent *a, const struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1], digest[IMAGELIST_DIGEST_LEN + 1] = "none";

	name_of(op, name);
	(void)imagelist_digest(a->store, name, digest);
	return jsonx_pack("{s:s}", "digest", digest);
}

static void remove_finish(struct agent *a, struct operation *op)
{
	char name[IMAGELIST_NAME_MAX + 1];

	name_of(op, name);
	imagelist_remove(a->store, name);
	op->result = jsonx_pack("{s:s}", "image", name);
}

static const struct opdef_step remove_steps[] = {
	{ .name = "makers", .wait = await_makers },
	{ "image-remove", .skip = is_shared, .params = remove_params },
};

#define STEPS(list) (list), countof(list)

const struct opdef ops_image[] = {
	{ OP_IMAGE_PULL, OPDEF_RESUME, pull_check, pull_begin, pull_finish, NULL,
		STEPS(pull_steps) },
	{ OP_IMAGE_REMOVE, OPDEF_RESUME, remove_check, NULL, remove_finish, NULL,
		STEPS(remove_steps) },
};
const size_t ops_image_count = countof(ops_image);
