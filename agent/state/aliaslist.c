/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/aliaslist.h"

#include "agent/state/rowjson.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define COLUMNS "id, alias, enabled, target, expires_ms, created_ms, changed_ms"

static json_t *row_json(struct store_stmt *q)
{
	json_t *target = json_loads(store_text(q, 3), 0, NULL);
	json_t *v = json_object();

	jsonx_set_string(v, "id", store_text(q, 0));
	jsonx_set_string(v, "alias", store_text(q, 1));
	jsonx_set_bool(v, "enabled", store_int(q, 2) != 0);
	jsonx_set(v, "target", target);
	jsonx_set(v, "expires_at", rowjson_time(q, 4));
	jsonx_set(v, "created_at", rowjson_time(q, 5));
	jsonx_set(v, "updated_at", rowjson_time(q, 6));

	(void)json_object_update_missing(v, target); /* flat, as the public API has it */
	return v;
}

static json_t *all_of(struct store_stmt *q)
{

	return rowjson_all(q, row_json);
}

json_t *aliaslist_get(struct store *s, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT " COLUMNS " FROM aliases WHERE id=?1", "t", id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? row_json(q) : NULL;
}

json_t *aliaslist_json(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " COLUMNS " FROM aliases WHERE ?1 IS NULL OR "
		"target->>'$.container_id'=?1 ORDER BY alias",
		"t", container_id);

	return all_of(q);
}

bool aliaslist_is_taken(struct store *s, const char *alias, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT 1 FROM aliases WHERE alias=?1 AND id<>?2", "tt", alias, id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

void aliaslist_put(struct store *s, const struct aliaslist_entry *e, int64_t now_ms)
{
	_cleanup_(freep) char *target = jsonx_dump(e->target);

	store_must(store_exec(s,
		"INSERT INTO aliases(id, alias, enabled, target, expires_ms, created_ms, "
		"changed_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT(id) DO UPDATE SET "
		"alias=?2, enabled=?3, target=?4, expires_ms=?5, changed_ms=?6",
		"ttitoi", e->id, e->alias, (int64_t)e->enabled, target,
		e->expires_ms ? &e->expires_ms : NULL, now_ms));
}

void aliaslist_remove(struct store *s, const char *id)
{
	store_must(store_exec(s, "DELETE FROM aliases WHERE id=?1", "t", id));
}

json_t *aliaslist_file(const json_t *alias, int64_t now_ms)
{
	const char *end = json_string_value(json_object_get(alias, "expires_at"));
	int64_t end_ms;

	if (!json_is_true(json_object_get(alias, "enabled")) ||
		(end && (ident_time_parse(end, &end_ms) < 0 || end_ms <= now_ms)))
		return NULL;
	return jsonx_pack("{s:O, s:O, s:O}", "alias_id", json_object_get(alias, "id"), "alias",
		json_object_get(alias, "alias"), "target", json_object_get(alias, "target"));
}

json_t *aliaslist_files(struct store *s, int64_t now_ms)
{
	_cleanup_json_ json_t *all = aliaslist_json(s, NULL);
	json_t *files = json_object(), *alias, *file;
	size_t i;

	json_array_foreach(all, i, alias) {
		file = aliaslist_file(alias, now_ms);
		if (file)
			jsonx_set(files, json_string_value(json_object_get(alias, "alias")), file);
	}
	return files;
}

int64_t aliaslist_next_expiry(struct store *s, int64_t after_ms)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT min(expires_ms) FROM aliases WHERE enabled AND expires_ms > ?1", "i",
		after_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

json_t *aliaslist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " COLUMNS " FROM aliases WHERE enabled AND expires_ms > ?1 "
		"AND expires_ms <= ?2 LIMIT ?3",
		"iii", after_ms, until_ms, limit);

	return all_of(q);
}
