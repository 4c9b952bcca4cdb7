/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new database is made whole under another name and then renamed, so that at any later start an
 * empty or half-made file can only mean damage. Foreign statements never see this connection:
 * schema, pragmas and transactions are run by plain_sql(), everything else through the cache of
 * prepared statements.
 *
 * SQLite rolls a transaction back by itself after some failures (lang_transaction.html, section 3);
 * a later commit would then succeed with nothing in it. `lost` remembers such a failure, and every
 * commit until a rollback repeats it. */
#include "agent/store.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/store_schema.h"

#define STATEMENTS_MAX 256 /* of the program text: asserted */
#define CORRUPT_SUFFIX ".corrupt-"

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

/* --- errors --- */

static int errno_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY
			       ? -EEXIST
			       : -EINVAL;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EROFS;
	case SQLITE_NOMEM:
		abort();
	default:
		return -EIO;
	}
}

static bool is_constraint(int r)
{
	return r == -EEXIST || r == -EINVAL;
}

static void bug(struct store *s, const char *sql, const char *what)
{
	(void)fprintf(stderr, "store: %s: %s: %s\n", what, sql, s->db ? sqlite3_errmsg(s->db) : "");
	abort();
}

/* --- opening --- */

static int plain_sql(sqlite3 *db, const char *sql)
{
	return errno_of(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* The first column of the first row, as text. */
static int plain_text(sqlite3 *db, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	int r;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	r = rc == SQLITE_DONE ? -ENODATA : errno_of(rc);
	if (r == 0)
		(void)snprintf(ret, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt); /* repeats the error of the step */
	return r;
}

/* Locking before anything is read: in WAL mode this is what keeps the -shm file away (wal.html,
 * section 8). */
static int connect_file(const char *path, struct store **ret)
{
	_cleanup_(store_closep) struct store *s = xcalloc(1, sizeof(*s));
	int r;

	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
		0); /* refused when another store was opened before: fine */
	r = errno_of(
		sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r < 0)
		return r;
	(void)sqlite3_extended_result_codes(s->db, 1);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	r = plain_sql(s->db,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; PRAGMA cache_size=-512;"
		"PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA synchronous=FULL;"
		"PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000;"
		"PRAGMA journal_size_limit=8388608");
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

static int read_version(struct store *s, long *ret)
{
	char text[16] = "";
	int r = plain_text(s->db, "PRAGMA user_version", text, sizeof(text));

	*ret = strtol(text, NULL, 10);
	return r;
}

static int migrate(struct store *s, long version)
{
	int r = 0;

	for (; r == 0 && version < (long)store_schema_version; version++) {
		char stamp[64];

		(void)snprintf(
			stamp, sizeof(stamp), "PRAGMA user_version=%ld; COMMIT", version + 1);
		r = plain_sql(s->db, "BEGIN IMMEDIATE");
		if (r == 0)
			r = plain_sql(s->db, store_schema[version]);
		if (is_constraint(r) || r == -EIO)
			bug(s, store_schema[version], "a migration failed");
		if (r == 0)
			r = plain_sql(s->db, stamp);
	}
	return r;
}

static int check(struct store *s, char *ret_what, size_t size)
{
	int r = plain_text(s->db, "PRAGMA quick_check(1)", ret_what, size);

	return r == 0 && strcmp(ret_what, "ok") != 0 ? -EUCLEAN : r;
}

static int sync_directory_of(const char *path)
{
	_cleanup_(freep) char *dir = xstrdup(path);
	_cleanup_(closep) int fd = -1;
	char *slash = strrchr(dir, '/');

	if (slash == dir)
		slash[1] = '\0';
	else if (slash)
		*slash = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static void remove_leftover(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-journal" };

	for (size_t i = 0; i < countof(suffixes); i++) {
		_cleanup_(freep) char *name = xasprintf("%s%s", path, suffixes[i]);

		(void)unlink(name); /* what can't be removed makes the creation fail */
	}
}

/* An empty database with today's schema, at @path or not at all. */
static int create(const char *path)
{
	_cleanup_(freep) char *made = xasprintf("%s.new", path);
	_cleanup_(store_closep) struct store *s = NULL;
	_cleanup_(closep) int fd = -1;
	int r;

	remove_leftover(made);
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	fd = closefd(fd); /* SQLite's locks would go with any descriptor of ours */
	r = connect_file(made, &s);
	if (r == 0)
		r = plain_sql(s->db, "PRAGMA journal_mode=WAL");
	if (r == 0)
		r = migrate(s, 0);
	if (r == 0)
		r = plain_sql(s->db, "PRAGMA wal_checkpoint(TRUNCATE)");
	s = store_close(s); /* folds the WAL in and removes it */
	if (r == 0 && (rename(made, path) < 0 || sync_directory_of(path) < 0))
		r = -errno;
	if (r < 0)
		remove_leftover(made);
	return r;
}

/* --- damage --- */

/* True when something beside the missing @path says that there was a database: its -wal, or one
 * that was set aside. */
static bool has_remains(const char *path, char *ret_name, size_t size)
{
	_cleanup_(freep) char *wal = xasprintf("%s-wal", path);
	_cleanup_(freep) char *pattern = xasprintf("%s" CORRUPT_SUFFIX "*", path);
	glob_t found = { 0 };
	bool any;

	any = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
	(void)snprintf(ret_name, size, "%s", any ? found.gl_pathv[0] : wal);
	globfree(&found);
	return any || access(wal, F_OK) == 0;
}

/* Rename the damaged database; its WAL goes along under a name by which SQLite still finds it. */
static int set_aside(const char *path, const char *what, struct err *err)
{
	struct tm tm;
	time_t now = time(NULL);
	char stamp[24] = "";
	_cleanup_(freep) char *aside = NULL, *wal = NULL, *aside_wal = NULL;

	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	aside = xasprintf("%s" CORRUPT_SUFFIX "%s", path, stamp);
	wal = xasprintf("%s-wal", path);
	aside_wal = xasprintf("%s-wal", aside);
	if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) < 0)
		return err_set(err, -EUCLEAN, ERR_STATE_CORRUPT, path,
			"%s is damaged (%s) and can't be set aside as %s: %s", path, what, aside,
			strerror(errno));
	if (renameat2(AT_FDCWD, wal, AT_FDCWD, aside_wal, RENAME_NOREPLACE) < 0 && errno != ENOENT)
		return err_set(err, -EUCLEAN, ERR_STATE_CORRUPT, path,
			"%s is damaged (%s); it is now %s, but %s could not follow it: %s", path,
			what, aside, wal, strerror(errno));
	(void)sync_directory_of(path); /* lost in a power cut, this would be found and done again */
	return err_set(err, -EUCLEAN, ERR_STATE_CORRUPT, path,
		"%s is damaged (%s); it was set aside as %s", path, what, aside);
}

static int fail_open(const char *path, int r, struct err *err)
{
	if (r == -EBUSY)
		return err_set(err, r, ERR_CONFIG, path,
			"%s is in use: another agent has this state directory", path);
	if (r == -ENOSPC)
		return err_set(err, r, ERR_NO_SPACE, path, "can't open %s: %s", path, strerror(-r));
	return err_set(err, r, ERR_INTERNAL, path, "can't open %s: %s", path, strerror(-r));
}

static int bring_up(struct store *s, const char *path, char *ret_what, size_t size, struct err *err)
{
	long version = 0;
	int r = read_version(s, &version); /* takes the lock */

	if (r == 0 && version > (long)store_schema_version)
		return err_set(err, -ENOTSUP, ERR_STATE_SCHEMA, path,
			"%s has schema %ld, this agent knows %zu: it was written by a newer agent",
			path, version, store_schema_version);
	if (r == 0 && version < 1) {
		(void)snprintf(ret_what, size, "it has no schema");
		r = -EUCLEAN;
	}
	if (r == 0)
		r = check(s, ret_what, size);
	if (r == 0)
		r = plain_sql(s->db, "PRAGMA journal_mode=WAL"); /* a mode of the file: a copy may
								    have lost it */
	if (r == 0)
		r = migrate(s, version);
	return r < 0 && r != -EUCLEAN ? fail_open(path, r, err) : r;
}

static int open_memory(struct store **ret, struct err *err)
{
	_cleanup_(store_closep) struct store *s = NULL;
	int r = connect_file(":memory:", &s);

	if (r == 0)
		r = migrate(s, 0);
	if (r < 0)
		return fail_open(":memory:", r, err);
	*ret = TAKE(s);
	return 0;
}

int store_open(const char *path, struct store **ret, struct err *err)
{
	_cleanup_(store_closep) struct store *s = NULL;
	char what[200] = "it is not a database";
	struct stat st;
	int r;

	if (strcmp(path, ":memory:") == 0)
		return open_memory(ret, err);
	if (lstat(path, &st) < 0) {
		if (errno != ENOENT)
			return fail_open(path, -errno, err);
		if (has_remains(path, what, sizeof(what)))
			return err_set(err, -EUCLEAN, ERR_STATE_CORRUPT, path,
				"%s is missing, but %s is there: restore it, or move that away to "
				"begin with an empty one",
				path, what);
		r = create(path);
		if (r < 0)
			return fail_open(path, r, err);
	} else if (!S_ISREG(st.st_mode)) {
		return fail_open(path, -EINVAL, err);
	}
	r = connect_file(path, &s);
	if (r == 0)
		r = bring_up(s, path, what, sizeof(what), err);
	else if (r != -EUCLEAN)
		return fail_open(path, r, err);
	if (r == -EUCLEAN) {
		if (s)
			(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		s = store_close(s);
		return set_aside(path, what, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(s);
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

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail */
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

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
	r = plain_sql(s->db, "BEGIN IMMEDIATE");
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
	start = now_us();
	r = plain_sql(s->db, "COMMIT");
	if (r < 0)
		return lose(s, r);
	s->open = false;
	s->times.commit_last_us = now_us() - start;
	s->times.commit_max_us = MAX_OF(s->times.commit_max_us, s->times.commit_last_us);
	s->times.commits++;
	return 0;
}

void store_rollback(struct store *s)
{
	for (size_t i = 0; i < s->n_statements; i++)
		store_reset(s->statements[i]);
	if (s->open && !sqlite3_get_autocommit(s->db) && plain_sql(s->db, "ROLLBACK") < 0)
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
		r = errno_of(rc);
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

const char *store_text(struct store_stmt *q, int column)
{
	return has(q, column, SQLITE_TEXT) ? (const char *)sqlite3_column_text(q->stmt, column)
					   : NULL;
}

const void *store_blob(struct store_stmt *q, int column, size_t *ret_size)
{
	bool some = has(q, column, SQLITE_BLOB);
	const void *blob = some ? sqlite3_column_blob(q->stmt, column) : NULL;

	*ret_size = some ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0;
	return blob;
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
