/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements are prepared once and kept; every transaction is one of theirs.
 *
 * SQLite rolls a transaction back by itself after some failures (lang_transaction.html, section
 * 3); a later commit would then succeed with nothing in it. `lost` remembers such a failure, and
 * every commit until a rollback repeats it. */
#include "agent/state/store.h"

#include <stdarg.h>

#include "agent/common/journald.h"
#include "agent/state/store_file.h"
#include "proto/clock.h"

#define STATEMENTS_MAX 256 /* of the program text: asserted */

struct store_stmt {
	const char *sql; /* the key: compared by address */
	sqlite3_stmt *stmt;
	struct store *store;
	bool busy;
};

struct store {
	sqlite3 *db;
	bool open; /* a transaction */
	int lost;  /* what broke it, or 0 */
	struct store_times times;
	size_t n_statements;
	struct store_stmt *statements[STATEMENTS_MAX];
};

static bool is_constraint(int r)
{
	return r == -EEXIST || r == -EINVAL;
}

static void bug(struct store *s, const char *sql, const char *what)
{
	(void)fprintf(stderr, "store: %s: %s: %s\n", what, sql, s->db ? sqlite3_errmsg(s->db) : "");
	abort();
}

int store_open(const char *path, struct store **ret, struct err *err)
{
	sqlite3 *db = NULL;
	int r = store_file_open(path, &db, err);

	if (r < 0)
		return r;
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->db = db;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	store_rollback(s);
	for (size_t i = 0; i < s->n_statements; i++) {
		(void)sqlite3_finalize(
			s->statements[i]->stmt); /* repeats the error of the last step */
		free(s->statements[i]);
	}
	if (sqlite3_close(s->db) != SQLITE_OK)
		bug(s, "close", "a statement is left");
	free(s);
	return NULL;
}

/* --- transactions --- */

static int lose(struct store *s, int r)
{
	if (r < 0 && !s->lost)
		s->lost = r;
	return r;
}

int store_begin(struct store *s)
{
	int r;

	if (s->open || s->lost)
		return s->lost;
	r = store_file_sql(s->db, "BEGIN IMMEDIATE");
	s->open = r == 0;
	return lose(s, r);
}

int store_commit(struct store *s)
{
	int64_t start;
	int r;

	if (!s->open || s->lost)
		return s->lost;
	assert(!sqlite3_get_autocommit(s->db)); /* else SQLite rolled back behind our back */
	start = (int64_t)clock_us(CLOCK_MONOTONIC);
	r = store_file_sql(s->db, "COMMIT");
	if (r < 0)
		return lose(s, r);
	s->open = false;
	s->times.commit_last_us = (int64_t)clock_us(CLOCK_MONOTONIC) - start;
	s->times.commit_max_us = MAX_OF(s->times.commit_max_us, s->times.commit_last_us);
	s->times.commits++;
	return 0;
}

void store_must(int r)
{
	if (r >= 0)
		return;
	LOG(LOG_CRIT, STORE_FAILED, FIELDS(.errnum = -r),
		"the state can't be written: %s; starting over from what is durable", strerror(-r));
	abort();
}

void store_rollback(struct store *s)
{
	for (size_t i = 0; i < s->n_statements; i++)
		store_reset(s->statements[i]);
	if (s->open && !sqlite3_get_autocommit(s->db) && store_file_sql(s->db, "ROLLBACK") < 0)
		bug(s, "ROLLBACK", "can't roll back");
	s->open = false;
	s->lost = 0;
}

bool store_is_dirty(const struct store *s)
{
	return s->open;
}

struct store_times store_times(const struct store *s)
{
	return s->times;
}

/* --- statements --- */

static struct store_stmt *find(struct store *s, const char *sql)
{
	struct store_stmt *q;
	const char *tail = "";

	for (size_t i = 0; i < s->n_statements; i++)
		if (s->statements[i]->sql == sql)
			return s->statements[i];
	assert(s->n_statements < STATEMENTS_MAX);
	q = xcalloc(1, sizeof(*q));
	q->sql = sql;
	q->store = s;
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, &tail) !=
		SQLITE_OK)
		bug(s, sql, "does not compile");
	if (!q->stmt || *tail)
		bug(s, sql, "is not one statement");
	s->statements[s->n_statements++] = q;
	return q;
}

static void bind_one(struct store_stmt *q, char type, int at, va_list *ap)
{
	const int64_t *optional;
	const void *blob;
	int rc = SQLITE_ERROR;

	switch (type) {
	case 't':
		rc = sqlite3_bind_text(q->stmt, at, va_arg(*ap, const char *), -1, SQLITE_STATIC);
		break;
	case 'i':
		rc = sqlite3_bind_int64(q->stmt, at, va_arg(*ap, int64_t));
		break;
	case 'o':
		optional = va_arg(*ap, const int64_t *);
		rc = optional ? sqlite3_bind_int64(q->stmt, at, *optional)
			      : sqlite3_bind_null(q->stmt, at);
		break;
	case 'b':
		blob = va_arg(*ap, const void *);
		rc = sqlite3_bind_blob64(q->stmt, at, blob, va_arg(*ap, size_t), SQLITE_STATIC);
		break;
	case 'n':
		rc = sqlite3_bind_null(q->stmt, at);
		break;
	default:
		break;
	}
	if (rc != SQLITE_OK)
		bug(q->store, q->sql, "an argument does not fit");
}

static struct store_stmt *query(struct store *s, const char *sql, const char *types, va_list *ap)
{
	struct store_stmt *q = find(s, sql);
	int n = 0;

	if (q->busy)
		bug(s, sql, "is in use already");
	for (; types[n]; n++)
		bind_one(q, types[n], n + 1, ap);
	if (n != sqlite3_bind_parameter_count(q->stmt))
		bug(s, sql, "takes another number of arguments");
	q->busy = true;
	return q;
}

struct store_stmt *store_query(struct store *s, const char *sql, const char *types, ...)
{
	struct store_stmt *q;
	va_list ap;

	va_start(ap, types);
	q = query(s, sql, types, &ap);
	va_end(ap);
	return q;
}

int store_step(struct store_stmt *q)
{
	bool writes = !sqlite3_stmt_readonly(q->stmt);
	int r = 0, rc;

	assert(q->busy);
	if (writes)
		r = store_begin(q->store);
	if (r == 0) {
		rc = sqlite3_step(q->stmt);
		if (rc == SQLITE_ROW)
			return 1;
		r = store_file_errno(rc);
		if (writes && !is_constraint(r))
			(void)lose(q->store, r);
	}
	store_reset(q);
	return r;
}

void store_reset(struct store_stmt *q)
{
	if (!q || !q->busy)
		return;
	(void)sqlite3_reset(q->stmt); /* repeats the error of the last step */
	(void)sqlite3_clear_bindings(q->stmt);
	q->busy = false;
}

int store_exec(struct store *s, const char *sql, const char *types, ...)
{
	struct store_stmt *q;
	va_list ap;
	int r;

	va_start(ap, types);
	q = query(s, sql, types, &ap);
	va_end(ap);
	while ((r = store_step(q)) > 0)
		;
	return r;
}

int64_t store_last_row(const struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int64_t store_changes(const struct store *s)
{
	return sqlite3_changes64(s->db);
}

/* --- columns --- */

/* True when there is a value; it is then of @type. */
static bool has(struct store_stmt *q, int column, int type)
{
	int is = sqlite3_column_type(q->stmt, column);

	assert(q->busy && column >= 0 && column < sqlite3_data_count(q->stmt));
	if (is != type && is != SQLITE_NULL)
		bug(q->store, q->sql, "a column is of another type");
	return is == type;
}

int64_t store_int(struct store_stmt *q, int column)
{
	return has(q, column, SQLITE_INTEGER) ? sqlite3_column_int64(q->stmt, column) : 0;
}

/* A value that is there and yet can't be had: only for want of memory (sqlite3_column_text(3)). It
 * must not pass for one that is absent. */
static const void *must_have(const void *value)
{
	store_must(value ? 0 : -ENOMEM);
	return value;
}

const char *store_text(struct store_stmt *q, int column)
{
	return has(q, column, SQLITE_TEXT) ? must_have(sqlite3_column_text(q->stmt, column)) : NULL;
}

const void *store_blob(struct store_stmt *q, int column, size_t *ret_size)
{
	bool some = has(q, column, SQLITE_BLOB);
	const void *blob = some ? sqlite3_column_blob(q->stmt, column) : NULL;

	*ret_size = some ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0;
	return *ret_size ? must_have(blob) : blob;
}

bool store_is_null(struct store_stmt *q, int column)
{
	assert(q->busy && column >= 0 && column < sqlite3_data_count(q->stmt));
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t store_scalar(struct store *s, const char *sql, int64_t fallback)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s, sql, "");
	int r = store_step(q);

	if (r < 0)
		bug(s, sql, "can't be read");
	return r == 0 || store_is_null(q, 0) ? fallback : store_int(q, 0);
}

/* --- meta --- */

int store_meta_get(struct store *s, const char *key, char **ret, size_t *ret_size)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT value FROM meta WHERE key=?1", "t", key);
	const void *value;
	size_t size = 0;
	int r = store_step(q);

	if (r < 0)
		return r;
	value = r > 0 ? store_blob(q, 0, &size) : NULL;
	*ret = NULL;
	*ret_size = size;
	if (r > 0) {
		*ret = xcalloc(1, size + 1);
		if (size)
			memcpy(*ret, value, size);
	}
	return 0;
}

int store_meta_set(struct store *s, const char *key, const void *value, size_t size)
{
	return store_exec(s,
		"INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET "
		"value=excluded.value",
		"tb", key, size ? value : "", size);
}
