/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables: `shares`, and `share_overrides` with what a target has answered to one that is meant
 * for it; none means that it is mounted. The column `before` of both is there while an order is
 * under way, and has what was wished until it began: settled it is forgotten, reverted it holds
 * again. What identifies a share (source, target, place) never changes, so it is not kept. */
#include "agent/state/sharelist.h"

#include "agent/state/rowjson.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define SHARES_FOLDER "/hoody/shares"
#define COLUMNS                                                                          \
	"id, source_id, path, target_id, project_id, mode, mount_path, alias, enabled, " \
	"expires_ms, "                                                                   \
	"status, message, created_ms, changed_ms, label, description"

static json_t *text_at(struct store_stmt *q, int column)
{
	return store_is_null(q, column) ? json_null() : json_string(store_text(q, column));
}

/* Where targets have it. */
static json_t *place_at(struct store_stmt *q)
{
	return store_is_null(q, 6) ? json_sprintf(SHARES_FOLDER "/%s",
					     store_text(q, store_is_null(q, 7) ? 0 : 7))
				   : text_at(q, 6);
}

static json_t *row_json(struct store_stmt *q)
{
	json_t *v = json_object();

	jsonx_set(v, "id", text_at(q, 0));
	jsonx_set(v, "source_container_id", text_at(q, 1));
	jsonx_set(v, "source_path", text_at(q, 2));
	jsonx_set(v, "target_container_id", text_at(q, 3));
	jsonx_set(v, "target_project_id", text_at(q, 4));
	jsonx_set_string(v, "target_type", store_is_null(q, 3) ? "project" : "container");
	jsonx_set(v, "mode", text_at(q, 5));
	jsonx_set(v, "mount_path", place_at(q));
	jsonx_set(v, "alias", text_at(q, 7));
	jsonx_set_bool(v, "enabled", store_int(q, 8) != 0);
	jsonx_set(v, "expires_at",
		store_is_null(q, 9) ? json_null() : json_integer(store_int(q, 9) / 1000));
	jsonx_set(v, "status", text_at(q, 10));
	jsonx_set(v, "status_message", text_at(q, 11));
	jsonx_set(v, "created_at", rowjson_time(q, 12));
	jsonx_set(v, "updated_at", rowjson_time(q, 13));
	jsonx_set(v, "label", text_at(q, 14));
	jsonx_set(v, "description", text_at(q, 15));
	return v;
}

static json_t *all_of(struct store_stmt *q)
{

	return rowjson_all(q, row_json);
}

void sharelist_put(struct store *s, const struct sharelist_entry *e, int64_t now_ms)
{
	store_must(store_exec(s,
		"INSERT INTO shares(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
		"'active', NULL, ?11, ?11, ?12, ?13) ON CONFLICT(id) DO UPDATE SET mode=?6, "
		"alias=?8, enabled=?9, expires_ms=?10, changed_ms=?11, label=?12, description=?13",
		"ttttttttioitt", e->id, e->source_id, e->path, e->target_id, e->project_id, e->mode,
		e->mount_path, e->alias, (int64_t)e->enabled, e->expires_ms ? &e->expires_ms : NULL,
		now_ms, e->label, e->description));
}

void sharelist_remove(struct store *s, const char *id)
{
	store_must(store_exec(s, "DELETE FROM share_overrides WHERE share_id=?1", "t", id));
	store_must(store_exec(s, "DELETE FROM shares WHERE id=?1", "t", id));
}

void sharelist_keep(struct store *s, const char *id)
{
	store_must(store_exec(s,
		"UPDATE shares SET before=json_object('mode', mode, 'enabled', enabled, "
		"'expires_ms', expires_ms, 'alias', alias, 'label', label, 'description', "
		"description) WHERE id=?1",
		"t", id));
	store_must(store_exec(
		s, "UPDATE share_overrides SET before=mount WHERE share_id=?1", "t", id));
}

static bool finds(struct store *s, const char *sql, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s, sql, "t", id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

bool sharelist_is_kept(struct store *s, const char *id)
{
	return finds(s, "SELECT 1 FROM shares WHERE id=?1 AND before IS NOT NULL", id);
}

bool sharelist_was_enabled(struct store *s, const char *id)
{
	return finds(s, "SELECT 1 FROM shares WHERE id=?1 AND before->>'enabled'", id);
}

/* An override that is new is brought back to what holds without one. */
void sharelist_revert(struct store *s, const char *id)
{
	store_must(store_exec(s,
		"UPDATE shares SET mode=before->>'mode', enabled=before->>'enabled', "
		"expires_ms=before->>'expires_ms', alias=before->>'alias', label=before->>'label', "
		"description=before->>'description', before=NULL WHERE id=?1 "
		"AND before IS NOT NULL",
		"t", id));
	store_must(store_exec(s,
		"UPDATE share_overrides SET mount=coalesce(before, 1), before=NULL WHERE "
		"share_id=?1",
		"t", id));
}

void sharelist_settle(struct store *s, const char *id)
{
	store_must(store_exec(s, "UPDATE shares SET before=NULL WHERE id=?1", "t", id));
}

void sharelist_end_source(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "UPDATE shares SET expires_ms=?2 WHERE source_id=?1", "ti",
		container_id, (int64_t)SHARELIST_ENDED_MS));
}

void sharelist_forget_project(struct store *s, const char *project_id)
{
	store_must(store_exec(s,
		"DELETE FROM share_overrides WHERE share_id IN (SELECT id FROM shares WHERE "
		"project_id=?1)",
		"t", project_id));
	store_must(store_exec(s, "DELETE FROM shares WHERE project_id=?1", "t", project_id));
}

void sharelist_set_status(struct store *s, const char *id, const char *message)
{
	store_must(store_exec(s, "UPDATE shares SET status=?2, message=?3 WHERE id=?1", "ttt", id,
		message ? "failed" : "active", message));
}

json_t *sharelist_get(struct store *s, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT " COLUMNS " FROM shares WHERE id=?1", "t", id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? row_json(q) : NULL;
}

json_t *sharelist_all(struct store *s)
{
	return all_of(store_query(s, "SELECT " COLUMNS " FROM shares ORDER BY created_ms, id", ""));
}

json_t *sharelist_of_source(struct store *s, const char *container_id)
{
	return all_of(store_query(s,
		"SELECT " COLUMNS " FROM shares WHERE source_id=?1 ORDER BY created_ms, id", "t",
		container_id));
}

json_t *sharelist_of_target(struct store *s, const char *id)
{
	return all_of(store_query(s,
		"SELECT " COLUMNS
		" FROM shares WHERE target_id=?1 OR project_id=?1 ORDER BY created_ms, id",
		"t", id));
}

bool sharelist_has_other(struct store *s, const struct sharelist_entry *e, int64_t now_ms)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT 1 FROM shares WHERE id<>?1 AND source_id=?2 AND path=?3 AND target_id IS "
		"?4 "
		"AND project_id IS ?5 AND (expires_ms IS NULL OR expires_ms > ?6)",
		"ttttti", e->id, e->source_id, e->path, e->target_id, e->project_id, now_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

static bool wants(struct store *s, const char *share_id, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT mount FROM share_overrides WHERE share_id=?1 AND container_id=?2", "tt",
		share_id, container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r == 0 || store_int(q, 0) != 0;
}

/* Is this directory in the list already? */
static bool has_directory(const json_t *list, const json_t *share)
{
	json_t *other;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, other)
		if (json_equal(json_object_get(other, "source_container_id"),
			    json_object_get(share, "source_container_id")) &&
			json_equal(json_object_get(other, "source_path"),
				json_object_get(share, "source_path")))
			return true;
	return false;
}

json_t *sharelist_incoming(struct store *s, const char *container_id, const char *project_id,
	const char *without, int64_t now_ms)
{
	_cleanup_json_ json_t *found = all_of(store_query(s,
		"SELECT " COLUMNS " FROM shares WHERE (target_id=?1 OR project_id=?2) AND "
		"source_id<>?1 AND (expires_ms IS NULL OR expires_ms > ?3) AND id IS NOT ?4 ORDER "
		"BY target_id IS NULL, created_ms, id",
		"ttit", container_id, project_id, now_ms, without));
	json_t *list = json_array(), *share;
	size_t i;

	json_array_foreach(found, i, share) {
		if (has_directory(list, share))
			continue;
		jsonx_set_bool(share, "mount",
			wants(s, json_string_value(json_object_get(share, "id")), container_id));
		(void)json_array_append(list, share);
	}
	return list;
}

/* --- the receiver's switch --- */

json_t *sharelist_override(struct store *s, const char *share_id, const char *container_id,
	const char *id, bool mount, int64_t now_ms)
{
	struct store_stmt *q;
	json_t *v;
	int r;

	store_must(store_exec(s,
		"INSERT INTO share_overrides(share_id, container_id, id, mount, created_ms, "
		"changed_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT(share_id, container_id) DO "
		"UPDATE SET mount=?4, changed_ms=?5",
		"tttii", share_id, container_id, id, (int64_t)mount, now_ms));
	q = store_query(s,
		"SELECT id, mount, created_ms, changed_ms FROM share_overrides WHERE share_id=?1 "
		"AND container_id=?2",
		"tt", share_id, container_id);
	r = store_step(q);
	store_must(MIN_OF(r, 0));
	assert(r > 0); /* it was written a moment ago */
	v = json_object();
	jsonx_set(v, "id", text_at(q, 0));
	jsonx_set_string(v, "share_id", share_id);
	jsonx_set_string(v, "container_id", container_id);
	jsonx_set_bool(v, "mount", store_int(q, 1) != 0);
	jsonx_set(v, "created_at", rowjson_time(q, 2));
	jsonx_set(v, "updated_at", rowjson_time(q, 3));
	store_reset(q);
	return v;
}

void sharelist_forget_container(struct store *s, const char *container_id)
{
	store_must(store_exec(
		s, "DELETE FROM share_overrides WHERE container_id=?1", "t", container_id));
	store_must(store_exec(s, "DELETE FROM shares WHERE target_id=?1", "t", container_id));
}

/* --- ends --- */

int64_t sharelist_next_expiry(struct store *s, int64_t after_ms)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		s, "SELECT min(expires_ms) FROM shares WHERE expires_ms > ?1", "i", after_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

json_t *sharelist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit)
{
	return all_of(store_query(s,
		"SELECT " COLUMNS " FROM shares WHERE expires_ms > ?1 AND expires_ms <= ?2 "
		"ORDER BY expires_ms LIMIT ?3",
		"iii", after_ms, until_ms, limit));
}
