/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proxy.* ops: files for the node's reverse proxy, written whole and then recorded. */
#include "agent/engine/unfinished.h"
#include "agent/host/proxydir.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/ops/reaper.h"
#include "agent/report/tell.h"
#include "agent/state/aliaslist.h"
#include "agent/state/desired.h"
#include "agent/state/doclist.h"
#include "agent/state/journal.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

static const json_t *param(const struct operation *op, const char *key)
{
	return json_object_get(op->order.params, key);
}

static const char *text(const struct operation *op, const char *key)
{
	return json_string_value(param(op, key));
}

/* --- documents --- */

static bool is_of_container(const struct operation *op)
{
	return strcmp(text(op, "scope"), "container") == 0;
}

static const char *owner(const struct operation *op)
{
	return is_of_container(op) ? op->order.container_id : op->order.project_id;
}

static int64_t version_of(const struct operation *op)
{
	return json_integer_value(param(op, "file_version"));
}

static json_t *recorded(struct agent *a, const struct operation *op, int64_t *ret_version)
{
	return doclist_get(a->store, text(op, "scope"), owner(op), ret_version);
}

static bool is_same(const json_t *a, const json_t *b)
{
	return (!a || json_is_null(a)) ? (!b || json_is_null(b)) : b && json_equal(a, b);
}

static json_t *document_result(const struct operation *op)
{
	char etag[32];

	(void)snprintf(etag, sizeof(etag), "file:v%lld", (long long)version_of(op));
	return jsonx_pack("{s:s, s:s, s:I, s:s, s:{s:b, s:b, s:s, s:I}}", "scope",
		text(op, "scope"), "id", owner(op), "file_version", (json_int_t)version_of(op),
		"etag", etag, "propagation", "committed", 1, "complete", 1, "state", "applied",
		"file_version", (json_int_t)version_of(op));
}

static enum opdef_verdict document_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *there = NULL;
	int64_t version;

	if (is_of_container(op) && !opstate_container(a, op))
		return opstate_check(a, op, 0);
	there = recorded(a, op, &version);
	if (version_of(op) > version)
		return OPDEF_RUN;
	if (version_of(op) == version && is_same(there, param(op, "document"))) {
		op->result = document_result(op);
		return OPDEF_NOTHING;
	}
	(void)err_set(&op->err, -ESTALE, ERR_SUPERSEDED, "file_version",
		"version %lld is in place, and this is version %lld", (long long)version,
		(long long)version_of(op));
	return OPDEF_REFUSED;
}

static int put_document(struct agent *a, struct operation *op)
{
	const json_t *document = param(op, "document");

	return proxydir_put(a->proxydir,
		is_of_container(op) ? PROXYDIR_CONTAINER : PROXYDIR_PROJECT, owner(op),
		json_is_null(document) ? NULL : document, &op->err);
}

static int put_recorded(struct agent *a, struct operation *op)
{
	int64_t version;
	_cleanup_json_ json_t *there = recorded(a, op, &version);

	return proxydir_put(a->proxydir,
		is_of_container(op) ? PROXYDIR_CONTAINER : PROXYDIR_PROJECT, owner(op), there,
		&op->err);
}

/* What stands in it (secrets) is nobody's to read in a report. */
static void document_finish(struct agent *a, struct operation *op)
{
	const json_t *document = param(op, "document");
	bool deleted = json_is_null(document);

	doclist_put(a->store, text(op, "scope"), owner(op), version_of(op),
		deleted ? NULL : document, agent_now_ms());
	op->result = document_result(op);
	tell_proxy(a, is_of_container(op) ? opstate_container(a, op) : NULL,
		deleted ? "deleted" : "updated", json_incref(op->result));
}

static const struct opdef_step document_steps[] = {
	{ .name = "document", .has_undo = true, .here = put_document, .undo_here = put_recorded },
};

/* --- aliases --- */

static bool is_removal(const struct operation *op)
{
	return json_is_null(param(op, "target"));
}

/* Is it what it was when the agent ordered its end, or its return (agent/ops/reaper)? Both are of
 * enabled ones alone. */
static bool is_unchanged(struct agent *a, const struct operation *op)
{
	static const char *const members[] = { "alias", "target", "expires_at" };
	_cleanup_json_ json_t *there = aliaslist_get(a->store, text(op, "alias_id"));

	for (size_t i = 0; there && i < countof(members); i++)
		if (!json_equal(json_object_get(there, members[i]), param(op, members[i])))
			return false;
	return json_is_true(json_object_get(there, "enabled"));
}

static enum opdef_verdict alias_check(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *there = NULL;

	if (operation_is_own(op))
		return is_unchanged(a, op) ? OPDEF_RUN : OPDEF_NOTHING;
	if (is_removal(op)) {
		there = aliaslist_get(a->store, text(op, "alias_id"));
		return there ? OPDEF_RUN : OPDEF_NOTHING;
	}
	if (!aliaslist_is_taken(a->store, text(op, "alias"), text(op, "alias_id")))
		return OPDEF_RUN;
	(void)err_set(&op->err, -EEXIST, ERR_ALIAS_IN_USE, "alias",
		"the alias %s is another's on this node", text(op, "alias"));
	return OPDEF_REFUSED;
}

/* 0: none. What has ended with the epoch or before it has, too, and is found from there on. */
static int64_t expiry(const struct operation *op)
{
	int64_t ms;

	if (!text(op, "expires_at") || ident_time_parse(text(op, "expires_at"), &ms) < 0)
		return 0; /* the schema has judged it */
	return MAX_OF(ms, 1);
}

/* The files of the alias as it was and as it is to be: one may be both's. */
static int put_alias(struct agent *a, struct operation *op, const json_t *from, const json_t *to)
{
	const char *old = json_string_value(json_object_get(from, "alias")),
		   *new = json_string_value(json_object_get(to, "alias"));
	_cleanup_json_ json_t *file =
		to ? aliaslist_file(to, journal_trusted_now_ms(a->store)) : NULL;
	int r = new ? proxydir_put(a->proxydir, PROXYDIR_ALIAS, new, file, &op->err) : 0;

	if (r >= 0 && old && (!new || strcmp(old, new) != 0))
		r = proxydir_put(a->proxydir, PROXYDIR_ALIAS, old, NULL, &op->err);
	return r;
}

static json_t *alias_after(const struct operation *op)
{
	if (is_removal(op))
		return NULL;
	return jsonx_pack("{s:s, s:s, s:O, s:O, s:s?}", "id", text(op, "alias_id"), "alias",
		text(op, "alias"), "enabled", param(op, "enabled"), "target", param(op, "target"),
		"expires_at", text(op, "expires_at"));
}

static int put_new_alias(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *old = aliaslist_get(a->store, text(op, "alias_id")),
			      *new = alias_after(op);

	return put_alias(a, op, old, new);
}

static int put_old_alias(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *old = aliaslist_get(a->store, text(op, "alias_id")),
			      *new = alias_after(op);

	return put_alias(a, op, new, old);
}

static const char *alias_event(const struct operation *op, const json_t *old)
{
	bool was = json_is_true(json_object_get(old, "enabled")),
	     is = json_is_true(param(op, "enabled"));

	if (operation_is_own(op) && !is)
		return "expired";
	return is_removal(op) ? "deleted"
	       : !old         ? "created"
	       : was && !is   ? "disabled"
	       : !was && is   ? "enabled"
			      : "updated";
}

static void alias_finish(struct agent *a, struct operation *op)
{
	_cleanup_json_ json_t *old = aliaslist_get(a->store, text(op, "alias_id"));
	const char *target;
	json_t *now;

	if (is_removal(op))
		aliaslist_remove(a->store, text(op, "alias_id"));
	else
		aliaslist_put(a->store,
			&(struct aliaslist_entry){ text(op, "alias_id"), text(op, "alias"),
				json_is_true(param(op, "enabled")), param(op, "target"),
				expiry(op) },
			agent_now_ms());
	now = is_removal(op) ? json_incref(old) : aliaslist_get(a->store, text(op, "alias_id"));
	op->result = json_incref(now);
	target = json_string_value(json_object_get(now, "container_id"));
	tell_proxy(a, target ? desired_find(a->desired, target) : NULL, alias_event(op, old), now);
	reaper_look(a->reaper);
}

static const struct opdef_step alias_steps[] = {
	{ .name = "alias", .has_undo = true, .here = put_new_alias, .undo_here = put_old_alias },
};

#define STEPS(list) (list), countof(list)

const struct opdef ops_proxy[] = {
	{ OP_PROXY_DOCUMENT, OPDEF_RESUME, document_check, NULL, document_finish, NULL,
		STEPS(document_steps), unfinished_follow_owner },
	{ OP_PROXY_ALIAS, OPDEF_RESUME, alias_check, NULL, alias_finish, NULL, STEPS(alias_steps),
		unfinished_follow_target },
};
const size_t ops_proxy_count = countof(ops_proxy);
