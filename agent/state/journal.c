/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each order has a row, from its acceptance (or refusal) on: what it said, its digest, its
 * state, and, while it runs, attempts, step and direction, which is all that a successor needs
 * to go on. States only move forward, accepted, running, then succeeded or failed;
 * journal_finish() dies of an order that ends twice.
 *
 * Everything is written in the transaction that is open; whoever calls decides when it is
 * committed, and acts after that. A write that fails ends the process: recovery starts from what is
 * durable. What an order said, which may be a MiB, is kept for as long as that is to be done; its
 * digest is what knows it when it comes again. Beside the rows there are two numbers that only
 * rise, the highest seq and the latest time of an authentic order, so that replays and a clock that
 * is set back are seen. Pruning removes old rows that have ended, and no others. */
#include "agent/state/journal.h"

#include "agent/state/rowjson.h"
#include "proto/clock.h"
#include "proto/encoding.h"
#include "proto/jsonx.h"

#define META_HIGH_SEQ    "high_seq"
#define META_LATEST_TIME "latest_time_ms"

static const char *const state_names[] = {
	[JOURNAL_ACCEPTED] = "accepted",
	[JOURNAL_RUNNING] = "running",
	[JOURNAL_SUCCEEDED] = "succeeded",
	[JOURNAL_FAILED] = "failed",
	[JOURNAL_REJECTED] = "rejected",
};
static_assert(countof(state_names) == JOURNAL_STATE_COUNT, "every state has its name");

const char *journal_state_name(enum journal_state state)
{
	return state_names[state];
}

static void entry_done(struct journal_entry *e)
{
	free(e->payload);
	free(e->error);
	*e = (struct journal_entry){};
}

/* A write to the journal that fails leaves nothing to go on with (crash-only): recovery starts from
 * what is durable. */
static int64_t meta_int(struct store *s, const char *key)
{
	_cleanup_(freep) char *text = NULL;
	size_t size;

	store_must(store_meta_get(s, key, &text, &size));
	return text ? strtoll(text, NULL, 10) : 0;
}

static void meta_set_int(struct store *s, const char *key, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	store_must(store_meta_set(s, key, text, (size_t)n));
}

uint64_t journal_high_seq(struct store *s)
{
	return (uint64_t)meta_int(s, META_HIGH_SEQ);
}

void journal_raise_high_seq(struct store *s, uint64_t seq)
{
	if (seq > journal_high_seq(s))
		meta_set_int(s, META_HIGH_SEQ, (int64_t)seq);
}

void journal_restart_seq(struct store *s)
{
	meta_set_int(s, META_HIGH_SEQ, 0);
}

int64_t journal_latest_time(struct store *s)
{
	return meta_int(s, META_LATEST_TIME);
}

void journal_raise_latest_time(struct store *s, int64_t ms)
{
	if (ms > journal_latest_time(s))
		meta_set_int(s, META_LATEST_TIME, ms);
}

int64_t journal_trusted_now_ms(struct store *s)
{
	return MAX_OF(clock_ms(CLOCK_REALTIME), journal_latest_time(s));
}

enum journal_lookup journal_lookup(
	struct store *s, const char *order_id, const uint8_t digest[static 32], int64_t *ret_row)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT row, digest FROM orders WHERE order_id=?1", "t", order_id);
	const void *known;
	size_t size;
	int r = store_step(q);

	store_must(r);
	if (r == 0)
		return JOURNAL_UNKNOWN;
	known = store_blob(q, 1, &size);
	if (size != 32 || memcmp(known, digest, 32) != 0)
		return JOURNAL_OTHER;
	*ret_row = store_int(q, 0);
	return JOURNAL_SAME;
}

static const char *or_null(const char *text)
{
	return text && text[0] ? text : NULL;
}

int64_t journal_add(struct store *s, const struct order *o, const char *origin, int64_t now_ms,
	enum journal_state state, const char *error)
{
	int64_t seq = (int64_t)o->seq;
	bool ended = state == JOURNAL_REJECTED;

	store_must(store_exec(s,
		"INSERT INTO orders(order_id, seq, op, operation_id, project_id, container_id, "
		"origin, digest, payload, received_ms, state, error) "
		"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
		"tottttt"
		"bb"
		"itt",
		o->id, seq ? &seq : NULL, o->op_name, or_null(o->operation_id),
		or_null(o->project_id), or_null(o->container_id), origin, o->digest,
		sizeof(o->digest), ended ? NULL : o->payload, ended ? 0 : o->payload_size, now_ms,
		state_names[state], error));
	return store_last_row(s);
}

void journal_attempt(struct store *s, int64_t row, unsigned attempts, int64_t started_ms,
	const char *prev_status)
{
	store_must(store_exec(s,
		"UPDATE orders SET state='running', attempts=?2, started_ms=?3, prev_status=?4 "
		"WHERE row=?1",
		"iiit", row, (int64_t)attempts, started_ms, prev_status));
}

void journal_position(struct store *s, int64_t row, unsigned step, bool undoing, const char *error)
{
	store_must(store_exec(s, "UPDATE orders SET step=?2, undoing=?3, error=?4 WHERE row=?1",
		"iiit", row, (int64_t)step, (int64_t)undoing, error));
}

void journal_finish(struct store *s, int64_t row, enum journal_state state, int64_t started_ms,
	int64_t now_ms, const char *result, const char *error)
{
	store_must(store_exec(s,
		"UPDATE orders SET state=?2, started_ms=nullif(?3, 0), finished_ms=?4, result=?5, "
		"error=?6, payload=NULL WHERE row=?1 AND state IN ('accepted','running')",
		"itiitt", row, state_names[state], started_ms, now_ms, result, error));
	assert(store_changes(s) == 1); /* an order ends once */
}

static void read_entry(struct store_stmt *q, struct journal_entry *e)
{
	size_t size;
	const void *payload = store_blob(q, 2, &size);

	e->row = store_int(q, 0);
	(void)snprintf(e->origin, sizeof(e->origin), "%s", store_text(q, 1));
	e->payload = xcalloc(1, size + 1);
	memcpy(e->payload, payload, size);
	e->payload_size = size;
	e->attempts = (unsigned)store_int(q, 3);
	e->step = (unsigned)store_int(q, 4);
	e->undoing = store_int(q, 5) != 0;
	e->received_ms = store_int(q, 6);
	e->started_ms = store_int(q, 7);
	if (!store_is_null(q, 8))
		(void)snprintf(e->prev_status, sizeof(e->prev_status), "%s", store_text(q, 8));
	if (!store_is_null(q, 9))
		e->error = xstrdup(store_text(q, 9));
}

void journal_unfinished(
	struct store *s, void (*each)(struct journal_entry *e, void *userdata), void *userdata)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT row, origin, payload, attempts, step, undoing, received_ms, started_ms, "
		"prev_status, error FROM orders "
		"WHERE state IN ('accepted','running') ORDER BY row",
		"");
	int r;

	while ((r = store_step(q)) > 0) {
		_cleanup_(entry_done) struct journal_entry e = {};

		read_entry(q, &e);
		each(&e, userdata);
	}
	store_must(r);
}

void journal_prune(struct store *s)
{
	store_must(store_exec(s,
		"DELETE FROM orders WHERE state NOT IN ('accepted','running') AND row <= (SELECT "
		"max(row) FROM orders) - ?1",
		"i", (int64_t)JOURNAL_KEEP_ROWS));
}

static void set_text(json_t *v, const char *key, const char *text)
{
	if (text)
		jsonx_set_string(v, key, text);
}

static void set_int(json_t *v, const char *key, struct store_stmt *q, int column)
{
	if (!store_is_null(q, column))
		jsonx_set_int(v, key, store_int(q, column));
}

static void set_json(json_t *v, const char *key, const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	if (value)
		jsonx_set(v, key, value);
}

json_t *journal_list(struct store *s, unsigned limit, int64_t before)
{
	json_t *list = json_array();
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT row, order_id, seq, op, container_id, origin, state, attempts, "
		"received_ms, started_ms, finished_ms, error, result FROM orders "
		"WHERE ?2 = 0 OR row < ?2 ORDER BY row DESC LIMIT ?1",
		"ii", (int64_t)limit, before);
	int r;

	while ((r = store_step(q)) > 0) {
		json_t *v = json_object();

		set_int(v, "row", q, 0);
		set_text(v, "order_id", store_text(q, 1));
		set_int(v, "seq", q, 2);
		set_text(v, "op", store_text(q, 3));
		set_text(v, "container_id", store_text(q, 4));
		set_text(v, "origin", store_text(q, 5));
		set_text(v, "state", store_text(q, 6));
		set_int(v, "attempts", q, 7);
		set_int(v, "received_ms", q, 8);
		set_int(v, "started_ms", q, 9);
		set_int(v, "finished_ms", q, 10);
		set_json(v, "error", store_text(q, 11));
		set_json(v, "result", store_text(q, 12));
		(void)json_array_append_new(list, v);
	}
	store_must(r);
	return list;
}

static void set_time(json_t *v, const char *key, struct store_stmt *q, int column)
{
	if (!store_is_null(q, column))
		jsonx_set(v, key, rowjson_time(q, column));
}

static json_t *row_json(struct store_stmt *q)
{
	json_t *v = json_object();

	set_text(v, "order_id", store_text(q, 0));
	set_int(v, "order_seq", q, 1);
	set_text(v, "operation_id", store_text(q, 2));
	set_text(v, "op", store_text(q, 3));
	set_text(v, "container_id", store_text(q, 4));
	set_text(v, "state", store_text(q, 5));
	set_json(v, "result", store_text(q, 6));
	set_json(v, "error", store_text(q, 7));
	set_time(v, "started_at", q, 8);
	set_time(v, "finished_at", q, 9);
	if (!store_is_null(q, 9))
		jsonx_set_int(v, "duration_ms",
			store_is_null(q, 8) ? 0 : MAX_OF(store_int(q, 9) - store_int(q, 8), 0));
	return v;
}

#define ROW_COLUMNS                                                                          \
	"order_id, coalesce(seq, 0), operation_id, op, container_id, state, result, error, " \
	"started_ms, finished_ms, origin, project_id"

json_t *journal_row(struct store *s, int64_t row)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT " ROW_COLUMNS " FROM orders WHERE row=?1", "i", row);
	int r = store_step(q);

	store_must(r);
	return r > 0 ? row_json(q) : NULL;
}

/* For the local API: who asked, and for which project, too. */
static json_t *whole_row_json(struct store_stmt *q)
{
	json_t *v = row_json(q);

	set_text(v, "origin", store_text(q, 10));
	set_text(v, "project_id", store_text(q, 11));
	return v;
}

json_t *journal_find(struct store *s, const char *id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " ROW_COLUMNS " FROM orders WHERE operation_id=?1 OR order_id=?1", "t", id);
	int r = store_step(q);

	store_must(r);
	return r > 0 ? whole_row_json(q) : NULL;
}

json_t *journal_page(struct store *s, int64_t limit, int64_t offset)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT " ROW_COLUMNS " FROM orders ORDER BY row DESC LIMIT ?1 OFFSET ?2", "ii",
		limit, offset);

	return rowjson_all(q, whole_row_json);
}

unsigned journal_failed_starts(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT origin='agent' AND op='container.start' AND state='failed' FROM orders "
		"WHERE container_id=?1 AND op LIKE 'container.%' AND op<>'container.update' "
		"ORDER BY row DESC LIMIT 16",
		"t", container_id);
	unsigned n = 0;
	int r;

	while ((r = store_step(q)) > 0 && store_int(q, 0) != 0)
		n++;
	store_must(MIN_OF(r, 0));
	return n;
}

int64_t journal_total(struct store *s)
{
	return store_scalar(s, "SELECT count(*) FROM orders", 0);
}

static int64_t count_states(json_t *v, struct store_stmt *q)
{
	int64_t n = 0;
	int r;

	while ((r = store_step(q)) > 0) {
		jsonx_set_int(v, store_text(q, 0), store_int(q, 1));
		n += store_int(q, 1);
	}
	store_must(r);
	return n;
}

/* Most have succeeded: the others have indexes of their own. */
json_t *journal_counts(struct store *s)
{
	json_t *v = json_object();
	int64_t rest = journal_total(s);

	for (size_t i = 0; i < countof(state_names); i++)
		jsonx_set_int(v, state_names[i], 0);
	rest -= count_states(v,
		store_query(s,
			"SELECT state, count(*) FROM orders WHERE state IN ('accepted','running') "
			"GROUP BY state",
			""));
	rest -= count_states(v,
		store_query(s,
			"SELECT state, count(*) FROM orders WHERE state IN ('failed','rejected') "
			"GROUP BY state",
			""));
	jsonx_set_int(v, state_names[JOURNAL_SUCCEEDED], rest);
	return v;
}
