/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/doclist.h"

#include "proto/jsonx.h"

json_t *doclist_get(struct store *s, const char *scope, const char *id, int64_t *ret_version)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT file_version, document FROM documents WHERE scope=?1 AND id=?2", "tt",
		scope, id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	*ret_version = r > 0 ? store_int(q, 0) : 0;
	return r > 0 && !store_is_null(q, 1) ? json_loads(store_text(q, 1), 0, NULL) : NULL;
}

void doclist_put(struct store *s, const char *scope, const char *id, int64_t version,
	const json_t *document, int64_t now_ms)
{
	_cleanup_(freep) char *text = document ? jsonx_dump(document) : NULL;

	store_must(store_exec(s,
		"INSERT OR REPLACE INTO documents(scope, id, file_version, document, changed_ms) "
		"VALUES(?1, ?2, ?3, ?4, ?5)",
		"ttiti", scope, id, version, text, now_ms));
}

void doclist_forget(struct store *s, const char *scope, const char *id)
{
	store_must(
		store_exec(s, "DELETE FROM documents WHERE scope=?1 AND id=?2", "tt", scope, id));
}

json_t *doclist_all(struct store *s, const char *scope)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT id, document FROM documents WHERE scope=?1 AND document IS NOT NULL", "t",
		scope);
	json_t *all = json_object();
	int r;

	while ((r = store_step(q)) > 0)
		jsonx_set(all, store_text(q, 0), json_loads(store_text(q, 1), 0, NULL));
	store_must(r);
	return all;
}
