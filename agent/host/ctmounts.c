/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctmounts.h"
#include "agent/state/journal.h"

#include "agent/common/journald.h"
#include "agent/report/tell.h"
#include "agent/state/sharelist.h"
#include "proto/jsonx.h"

static const char *text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

/* --- wishes --- */

static void add_shares(
	const struct agent *a, const struct ctspec *spec, const char *without, json_t *list)
{
	_cleanup_json_ json_t *incoming = sharelist_incoming(
		a->store, spec->id, spec->project_id, without, journal_trusted_now_ms(a->store));
	json_t *share;
	size_t i;

	json_array_foreach(incoming, i, share) {
		if (!json_is_true(json_object_get(share, "enabled")) ||
			!json_is_true(json_object_get(share, "mount")) ||
			!desired_find(a->desired, text(share, "source_container_id")))
			continue;
		(void)json_array_append_new(list,
			jsonx_pack("{s:O, s:O, s:O, s:O, s:b}", "key", json_object_get(share, "id"),
				"source_id", json_object_get(share, "source_container_id"), "path",
				json_object_get(share, "source_path"), "at",
				json_object_get(share, "mount_path"), "readonly",
				strcmp(text(share, "mode"), "readonly") == 0));
	}
}

static json_t *wanted(const struct agent *a, const struct ctspec *spec, const char *without)
{
	const char *run = a->conf.node.runtime_directory;
	_cleanup_(freep) char *own = xasprintf("%s/ramdisk/c/%s", run, spec->id),
			      *project = xasprintf("%s/ramdisk/p/%s", run, spec->project_id);
	json_t *list = json_array();

	if (spec->ramdisk)
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:s, s:s, s:s}", "key", "ramdisk", "host", own,
				      "at", "/ramdisk", "map", "none"));
	if (spec->ramdisk && spec->ramdisk_project)
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:s, s:s, s:s}", "key", "ramdisk-project", "host",
				      project, "at", "/ramdisk/project", "map", "optional"));
	add_shares(a, spec, without, list);
	return list;
}

json_t *ctmounts_wanted_by(const struct agent *a, const struct ctspec *spec)
{
	return wanted(a, spec, NULL);
}

json_t *ctmounts_wanted(const struct agent *a, const struct container *c)
{
	return wanted(a, &c->spec, NULL);
}

static bool is_target(const json_t *share, const struct ctspec *s)
{
	const char *target = text(share, "target_container_id"),
		   *project = text(share, "target_project_id");

	return target ? strcmp(target, s->id) == 0 : strcmp(project, s->project_id) == 0;
}

bool ctmounts_is_taken(const struct agent *a, const json_t *share, const char *place)
{
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct ctspec *s = &desired_at(a->desired, i)->spec;
		_cleanup_json_ json_t *incoming = NULL;
		json_t *other;
		size_t k;

		if (!is_target(share, s) || strcmp(text(share, "source_container_id"), s->id) == 0)
			continue;
		if (s->ramdisk &&
			(strcmp(place, "/ramdisk") == 0 ||
				(s->ramdisk_project && strcmp(place, "/ramdisk/project") == 0)))
			return true;
		incoming = sharelist_incoming(a->store, s->id, s->project_id, text(share, "id"),
			journal_trusted_now_ms(a->store));
		json_array_foreach(incoming, k, other)
			if (strcmp(text(other, "mount_path"), place) == 0)
				return true;
	}
	return false;
}

json_t *ctmounts_targets(const struct agent *a, const json_t *share, bool deleted)
{
	json_t *list = json_array();

	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);

		if (is_target(share, &c->spec) &&
			(c->status == CT_RUNNING || c->status == CT_PAUSED))
			(void)json_array_append_new(list,
				jsonx_pack("{s:s, s:o}", "id", c->spec.id, "mounts",
					wanted(a, &c->spec, deleted ? text(share, "id") : NULL)));
	}
	return list;
}

/* --- what came of them --- */

static void note_escape(const json_t *share, const char *message)
{
	LOG(LOG_WARNING, SHARE_REFUSED, FIELDS(.container_id = text(share, "source_container_id")),
		"share %s of %s is not mounted: %s", text(share, "id"), text(share, "source_path"),
		message);
}

static void tell_mount(struct agent *a, const json_t *share, const char *target_id, const json_t *v)
{
	const char *message = text(v, "message"), *before = text(share, "status_message");

	if (json_is_true(json_object_get(v, "escape")))
		note_escape(share, message);
	if (json_is_true(json_object_get(v, "new")))
		tell_share(a, share, "mounted",
			jsonx_pack(
				"{s:s, s:s}", "id", text(share, "id"), "container_id", target_id));
	else if (message && (!before || strcmp(before, message) != 0))
		tell_share(a, share, "failed",
			jsonx_pack("{s:s, s:s, s:s}", "id", text(share, "id"), "container_id",
				target_id, "status_message", message));
}

/* It has failed when it has in any of its targets. One alone can't say that it has not: where
 * another has failed before, all are looked at again. */
static void note_status(struct agent *a, const json_t *share, bool all, const char *message,
	ctmounts_look_again look_again)
{
	if (message || all || text(share, "target_container_id"))
		sharelist_set_status(a->store, text(share, "id"), message);
	else if (text(share, "status_message"))
		look_again(a, text(share, "id"));
}

/* What came of one share, in every target that has been looked at. */
static void note_share(struct agent *a, const json_t *targets, const char *share_id, bool all,
	ctmounts_look_again look_again)
{
	_cleanup_json_ json_t *share = sharelist_get(a->store, share_id);
	const char *target_id, *message = NULL;
	json_t *result;

	if (!share)
		return;
	json_object_foreach((json_t *)(uintptr_t)targets, target_id, result) {
		const json_t *v = json_object_get(result, share_id);

		if (v)
			tell_mount(a, share, target_id, v);
		if (v && !message)
			message = text(v, "message");
	}
	note_status(a, share, all, message, look_again);
}

static json_int_t number(const json_t *count, const char *what)
{
	return json_integer_value(json_object_get(count, what));
}

static void note_busy(const char *target_id, const json_t *count)
{
	if (number(count, "busy") > 0)
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.container_id = target_id),
			"%lld mounts of what is no longer shared with container %s stay "
			"until the processes end that have locked them in namespaces of "
			"their own",
			(long long)number(count, "busy"), target_id);
}

static void note_held(const char *target_id, const json_t *count)
{
	_cleanup_(freep) char *pids = json_dumps(json_object_get(count, "pids"), JSON_COMPACT);

	if (number(count, "held") > 0)
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.container_id = target_id),
			"container %s has %lld descriptors of what is no longer shared with it, "
			"%lld "
			"of them can write; they last until the processes end that have them: %s",
			target_id, (long long)number(count, "held"),
			(long long)number(count, "writable"), pids);
	if (number(count, "unseen") > 0)
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.container_id = target_id),
			"%lld processes of container %s have more descriptors than are looked at: "
			"whether they have something of what is no longer shared is not known",
			(long long)number(count, "unseen"), target_id);
}

void ctmounts_note(
	struct agent *a, const json_t *result, const char *about, ctmounts_look_again look_again)
{
	json_t *targets = json_object_get(result, "mounts"), *of_target, *v;
	_cleanup_json_ json_t *shares = json_object();
	const char *id, *share_id;

	json_object_foreach(targets, id, of_target) {
		note_busy(id, json_object_get(of_target, ""));
		note_held(id, json_object_get(of_target, ""));
		(void)json_object_update(shares, of_target);
	}
	if (about && targets) /* what is mounted nowhere has no fault that anybody could see */
		jsonx_set_bool(shares, about, true);
	json_object_foreach(shares, share_id, v)
		if (*share_id)
			note_share(a, targets, share_id, about && strcmp(share_id, about) == 0,
				look_again);
}
