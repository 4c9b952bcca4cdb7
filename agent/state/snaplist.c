/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/snaplist.h"

#include "agent/state/rowjson.h"
#include "proto/jsonx.h"
#define COLUMNS "name, alias, created_ms, last_used_ms, expires_ms, size"

void snaplist_add(struct store *s, const struct snaplist_entry *e)
{
	int64_t expires = e->expires_ms;

	store_must(store_exec(s,
		"INSERT OR REPLACE INTO snapshots(container_id, name, alias, created_ms, "
		"expires_ms, "
		"size) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		"tttioi", e->container_id, e->name, e->alias, e->created_ms,
		expires ? &expires : NULL, e->size));
}

bool snaplist_has(struct store *s, const char *container_id, const char *name)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT 1 FROM snapshots WHERE container_id=?1 AND name=?2", "tt",
			container_id, name);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

bool snaplist_is_brought(struct store *s, const char *container_id, const char *name)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT 1 FROM snapshots WHERE container_id=?1 AND name=?2 AND brought", "tt",
		container_id, name);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

bool snaplist_has_ended(struct store *s, const char *container_id, const char *name, int64_t now_ms)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT 1 FROM snapshots WHERE container_id=?1 AND name=?2 AND expires_ms<=?3",
		"tti", container_id, name, now_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

int64_t snaplist_count(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		s, "SELECT COUNT(*) FROM snapshots WHERE container_id=?1", "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

void snaplist_remove(struct store *s, const char *container_id, const char *name)
{
	store_must(store_exec(s, "DELETE FROM snapshots WHERE container_id=?1 AND name=?2", "tt",
		container_id, name));
}

void snaplist_remove_all(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "DELETE FROM snapshots WHERE container_id=?1", "t", container_id));
}

void snaplist_copy(struct store *s, const char *from_container, const char *to_container)
{
	store_must(store_exec(s,
		"INSERT INTO snapshots(container_id, name, alias, created_ms, expires_ms, size, "
		"brought) SELECT ?2, name, alias, created_ms, expires_ms, size, 1 FROM snapshots "
		"WHERE container_id=?1",
		"tt", from_container, to_container));
}

void snaplist_set_alias(
	struct store *s, const char *container_id, const char *name, const char *alias)
{
	store_must(store_exec(s, "UPDATE snapshots SET alias=?3 WHERE container_id=?1 AND name=?2",
		"ttt", container_id, name, alias));
}

void snaplist_set_used(struct store *s, const char *container_id, const char *name, int64_t now_ms)
{
	store_must(store_exec(s,
		"UPDATE snapshots SET last_used_ms=?3, used_turn=(SELECT "
		"coalesce(max(used_turn), 0)+1 FROM snapshots WHERE container_id=?1) WHERE "
		"container_id=?1 AND name=?2",
		"tti", container_id, name, now_ms));
}

/* --- as JSON --- */

static json_t *row_json(struct store_stmt *q)
{
	json_t *v = json_object();

	jsonx_set_string(v, "name", store_text(q, 0));
	jsonx_set_string(v, "alias", store_text(q, 1));
	jsonx_set(v, "created_at", rowjson_time(q, 2));
	jsonx_set(v, "last_used_at", rowjson_time(q, 3));
	jsonx_set(v, "expires_at", rowjson_time(q, 4));
	jsonx_set_bool(v, "stateful", false);
	jsonx_set_int(v, "size", store_int(q, 5));
	return v;
}

json_t *snaplist_json(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " COLUMNS " FROM snapshots WHERE container_id=?1 ORDER BY created_ms, name",
		"t", container_id);

	return rowjson_all(q, row_json);
}

json_t *snaplist_one(struct store *s, const char *container_id, const char *name)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " COLUMNS " FROM snapshots WHERE container_id=?1 AND name=?2", "tt",
		container_id, name);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? row_json(q) : NULL;
}

json_t *snaplist_last_used(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT name FROM snapshots WHERE container_id=?1 AND used_turn IS NOT NULL "
		"ORDER BY used_turn DESC LIMIT 1",
		"t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? json_string(store_text(q, 0)) : json_null();
}

int64_t snaplist_next_expiry(struct store *s, int64_t after_ms)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		s, "SELECT MIN(expires_ms) FROM snapshots WHERE expires_ms>?1", "i", after_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

json_t *snaplist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT container_id, name FROM snapshots WHERE expires_ms>?1 AND expires_ms<=?2 "
		"ORDER BY expires_ms LIMIT ?3",
		"iii", after_ms, until_ms, limit);
	json_t *list = json_array();
	int r;

	while ((r = store_step(q)) > 0)
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:s}", "container_id", store_text(q, 0), "name",
				      store_text(q, 1)));
	store_must(r);
	return list;
}
