/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/envlist.h"

#include "agent/state/rowjson.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define MINUTE_MS 60000LL

/* After so long it is tried again; then never, until something changes. */
static const int64_t retries_ms[] = { MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS,
	240 * MINUTE_MS };

json_t *envlist_vars(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT vars FROM env WHERE container_id=?1", "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? json_loads(store_text(q, 0), 0, NULL) : json_object();
}

bool envlist_wish(struct store *s, const char *container_id, const json_t *vars)
{
	_cleanup_json_ json_t *old = envlist_vars(s, container_id);
	_cleanup_(freep) char *text = jsonx_canonical(vars), *before = jsonx_canonical(old);

	if (strcmp(text, before) == 0) {
		envlist_settle(s, container_id); /* or an older wish would come back for this one */
		return false;
	}
	store_must(store_exec(s,
		"INSERT INTO env(container_id, vars, before, revision) VALUES(?1, ?2, ?3, 1) ON "
		"CONFLICT(container_id) DO UPDATE SET vars=?2, before=?3, revision=revision+1",
		"ttt", container_id, text, before));
	return true;
}

void envlist_revert(struct store *s, const char *container_id)
{
	store_must(store_exec(s,
		"UPDATE env SET vars=before, before=NULL, revision=revision+1 WHERE "
		"container_id=?1 AND before IS NOT NULL",
		"t", container_id));
}

void envlist_settle(struct store *s, const char *container_id)
{
	store_must(store_exec(
		s, "UPDATE env SET before=NULL WHERE container_id=?1", "t", container_id));
}

static int64_t attempts_of(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT attempts FROM env WHERE container_id=?1", "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

void envlist_begin_anew(struct store *s, const char *container_id)
{
	store_must(store_exec(
		s, "UPDATE env SET attempts=0 WHERE container_id=?1", "t", container_id));
}

void envlist_attempted(struct store *s, const char *container_id, const char *code, int64_t now_ms)
{
	int64_t n = attempts_of(s, container_id);
	int64_t retry_ms = code && n < (int64_t)countof(retries_ms) ? now_ms + retries_ms[n] : 0;

	if (!code)
		store_must(store_exec(s,
			"UPDATE env SET applied_revision=revision, verified_ms=?2, "
			"attempted_ms=?2, attempts=0, last_error=NULL, retry_ms=NULL WHERE "
			"container_id=?1",
			"ti", container_id, now_ms));
	else
		store_must(store_exec(s,
			"UPDATE env SET attempted_ms=?2, attempts=?3, last_error=?4, retry_ms=?5 "
			"WHERE container_id=?1",
			"tiito", container_id, now_ms, n + 1, code, retry_ms ? &retry_ms : NULL));
}

void envlist_remove(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "DELETE FROM env WHERE container_id=?1", "t", container_id));
}

void envlist_copy(struct store *s, const char *from_container, const char *to_container)
{
	store_must(store_exec(s,
		"INSERT OR REPLACE INTO env(container_id, vars, revision) SELECT ?2, vars, 1 FROM "
		"env WHERE container_id=?1",
		"tt", from_container, to_container));
}

json_t *envlist_sync(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT revision, applied_revision, verified_ms, attempted_ms, last_error, "
		"retry_ms FROM env WHERE container_id=?1",
		"t", container_id);
	int r = store_step(q);
	bool is_set = r > 0, failed = is_set && !store_is_null(q, 4);
	json_t *v = json_object();

	store_must(MIN_OF(r, 0));
	jsonx_set_bool(v, "pending", is_set && (store_int(q, 1) < store_int(q, 0) || failed));
	jsonx_set_int(v, "revision", is_set ? store_int(q, 0) : 0);
	jsonx_set_int(v, "applied_revision", is_set ? store_int(q, 1) : 0);
	jsonx_set(v, "verified_at", is_set ? rowjson_time(q, 2) : json_null());
	jsonx_set(v, "attempted_at", is_set ? rowjson_time(q, 3) : json_null());
	jsonx_set_string(v, "last_error", failed ? store_text(q, 4) : NULL);
	jsonx_set_bool(v, "exhausted", failed && store_is_null(q, 5));
	return v;
}

int64_t envlist_next_retry(struct store *s, int64_t after_ms)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT min(retry_ms) FROM env WHERE retry_ms > ?1", "i", after_ms);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

json_t *envlist_due(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT container_id, retry_ms FROM env WHERE retry_ms > ?1 AND "
		"(retry_ms <= ?2 OR attempted_ms > ?2) ORDER BY retry_ms LIMIT ?3",
		"iii", after_ms, until_ms, limit);
	json_t *list = json_array();
	int r;

	while ((r = store_step(q)) > 0)
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:I}", "container_id", store_text(q, 0), "retry_ms",
				      (json_int_t)store_int(q, 1)));
	store_must(r);
	return list;
}
