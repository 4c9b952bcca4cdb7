/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/history.h"

#include "agent/state/rowjson.h"
#include "proto/jsonx.h"
#include "proto/ident.h"

static void format_id(int64_t row, char ret[static HISTORY_ID_LEN + 1])
{
	(void)snprintf(ret, HISTORY_ID_LEN + 1, "%024llx", (unsigned long long)row);
}

int history_id_parse(const char *id, int64_t *ret_row)
{
	if (!ident_is_id(id) || strspn(id, "0") < HISTORY_ID_LEN - 15)
		return -EINVAL;
	*ret_row = (int64_t)strtoull(id, NULL, 16);
	return *ret_row > 0 ? 0 : -EINVAL;
}

/* --- rows as JSON --- */

static void set_time(json_t *v, const char *key, int64_t ms)
{
	jsonx_set(v, key, jsonx_time(ms));
}

static void set_id(json_t *v, const char *key, int64_t row)
{
	char id[HISTORY_ID_LEN + 1];

	format_id(row, id);
	jsonx_set_string(v, key, id);
}

static void set_json(json_t *v, const char *key, const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	jsonx_set(v, key, value ? value : json_null());
}

/* --- status logs --- */

void history_add_status(struct store *s, const struct history_status *h)
{
	store_must(store_exec(s,
		"INSERT INTO status_log(container_id, from_status, to_status, at_ms, duration_ms, "
		"triggered_by, metadata) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		"tttiitt", h->container_id, h->from, h->to, h->at_ms, h->duration_ms,
		h->triggered_by, h->metadata));
}

static const char *const status_columns[] = { "transition_time", "created_at", "to_status",
	"from_status" };

int history_status_column(const char *name)
{
	for (size_t i = 0; i < countof(status_columns); i++)
		if (strcmp(name, status_columns[i]) == 0)
			return (int)i;
	return -1;
}

#define STATUS_BY(order)                                                                       \
	"SELECT row, container_id, from_status, to_status, at_ms, duration_ms, triggered_by, " \
	"metadata FROM status_log WHERE container_id=?1 ORDER BY " order " LIMIT ?2 OFFSET ?3"

static const char *const status_sql[countof(status_columns)][2] = {
	{ STATUS_BY("row DESC"), STATUS_BY("row") },
	{ STATUS_BY("row DESC"), STATUS_BY("row") },
	{ STATUS_BY("to_status DESC, row DESC"), STATUS_BY("to_status, row") },
	{ STATUS_BY("from_status DESC, row DESC"), STATUS_BY("from_status, row") },
};

static json_t *status_json(struct store_stmt *q)
{
	json_t *v = json_object();

	set_id(v, "id", store_int(q, 0));
	jsonx_set_string(v, "container_id", store_text(q, 1));
	jsonx_set_string(v, "from_status", store_text(q, 2));
	jsonx_set_string(v, "to_status", store_text(q, 3));
	set_time(v, "transition_time", store_int(q, 4));
	jsonx_set_int(v, "duration_ms", store_int(q, 5));
	jsonx_set_string(v, "triggered_by", store_text(q, 6));
	set_json(v, "metadata", store_text(q, 7));
	return v;
}

static int64_t count_of(struct store *s, const char *sql, const char *key)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s, sql, "t", key);
	int r = store_step(q);

	store_must(r);
	return r > 0 ? store_int(q, 0) : 0;
}

json_t *history_status_list(struct store *s, const char *container_id,
	const struct history_page *page, int64_t *ret_total)
{
	_cleanup_stmt_ struct store_stmt *q = NULL;
	assert(page->sort < countof(status_sql));
	*ret_total =
		count_of(s, "SELECT count(*) FROM status_log WHERE container_id=?1", container_id);
	q = store_query(s, status_sql[page->sort][page->ascending], "tii", container_id,
		page->limit, page->offset);
	return rowjson_all(q, status_json);
}

/* --- events --- */

int64_t history_add_event(struct store *s, const struct history_event *e)
{
	store_must(store_exec(s,
		"INSERT INTO events(at_ms, event_type, resource_type, resource_id, project_id, "
		"payload) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		"ittttt", e->at_ms, e->type, e->resource_type, e->resource_id, e->project_id,
		e->payload));
	return store_last_row(s);
}

#define EVENT_COLUMNS "row, at_ms, event_type, resource_type, resource_id, project_id, payload"

static json_t *event_json(struct store_stmt *q)
{
	json_t *v = json_object();

	set_id(v, "id", store_int(q, 0));
	jsonx_set_string(v, "event_type", store_text(q, 2));
	jsonx_set_string(v, "resource_type", store_text(q, 3));
	jsonx_set_string(v, "resource_id", store_text(q, 4));
	jsonx_set_string(v, "project_id", store_text(q, 5));
	set_json(v, "payload", store_text(q, 6));
	set_time(v, "created_at", store_int(q, 1));
	return v;
}

static json_t *events_json(struct store_stmt *take)
{
	_cleanup_stmt_ struct store_stmt *q = take;

	return rowjson_all(q, event_json);
}

static int64_t events_since(struct store *s, int64_t after)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT count(*) FROM events WHERE row > ?1", "i", after);
	int r = store_step(q);

	store_must(r);
	return store_int(q, 0);
}

json_t *history_event_list(
	struct store *s, int64_t after, const struct history_page *page, int64_t *ret_total)
{
	static const char *const sql[] = {
		"SELECT " EVENT_COLUMNS
		" FROM events WHERE row > ?1 ORDER BY row DESC LIMIT ?2 OFFSET ?3",
		"SELECT " EVENT_COLUMNS
		" FROM events WHERE row > ?1 ORDER BY row LIMIT ?2 OFFSET ?3",
	};

	*ret_total = events_since(s, after);
	return events_json(
		store_query(s, sql[page->ascending], "iii", after, page->limit, page->offset));
}

bool history_has_since(struct store *s, int64_t after)
{
	/* Rows are numbered without gaps, also behind those that have gone (AUTOINCREMENT). */
	return after + events_since(s, after) >=
	       store_scalar(s, "SELECT seq FROM sqlite_sequence WHERE name='events'", 0);
}

json_t *history_event(struct store *s, int64_t row)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT " EVENT_COLUMNS " FROM events WHERE row=?1", "i", row);
	int r = store_step(q);

	store_must(r);
	return r > 0 ? event_json(q) : NULL;
}

json_t *history_event_stats(struct store *s)
{
	json_t *types = json_object();
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT event_type, count(*) FROM events GROUP BY event_type", "");
	int64_t total = 0;
	int r;

	while ((r = store_step(q)) > 0) {
		total += store_int(q, 1);
		jsonx_set_int(types, store_text(q, 0), store_int(q, 1));
	}
	store_must(r);
	return jsonx_pack("{s:I, s:o}", "total", (json_int_t)total, "by_type", types);
}

int64_t history_remove_events(
	struct store *s, int64_t row, int64_t before_ms, const char *event_type)
{
	store_must(store_exec(s,
		"DELETE FROM events WHERE (?1 = 0 OR row = ?1) AND at_ms < ?2 AND (?3 IS NULL OR "
		"event_type = ?3)",
		"iit", row, before_ms, event_type));
	return store_changes(s);
}

void history_prune(struct store *s)
{
	store_must(
		store_exec(s, "DELETE FROM events WHERE row <= (SELECT max(row) FROM events) - ?1",
			"i", (int64_t)HISTORY_KEEP_EVENTS));
	store_must(store_exec(s,
		"DELETE FROM status_log WHERE row <= (SELECT max(row) FROM status_log) - ?1", "i",
		(int64_t)HISTORY_KEEP_STATUS));
}
