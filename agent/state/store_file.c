/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database file of agent/state/store.c: found, checked, locked, brought to today's schema;
 * or said to be damaged. A new one is made whole under another name and then renamed, so that at
 * any later start an empty or half-made file can only mean damage.
 *
 * The lock comes before anything is read and is kept: two agents never share a state. A newer
 * agent's schema is refused, an older one's is brought up step by step, each in a transaction of
 * its own. A damaged file is set aside with its WAL, and the start fails: it is not replaced by
 * an empty one, also not by the next start, for that would forget all containers
 * (has_remains()). Our own descriptors never touch the file while SQLite has it: its locks would
 * go with them. */
#include "agent/state/store_file.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/state/store_schema.h"

#define CORRUPT_SUFFIX ".corrupt-"

static void db_closep(sqlite3 **db)
{
	if (sqlite3_close(*db) != SQLITE_OK)
		abort(); /* a statement is left */
	*db = NULL;
}

int store_file_errno(int rc)
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

/* --- plain SQL --- */

int store_file_sql(sqlite3 *db, const char *sql)
{
	return store_file_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* The first column of the first row, as text. */
static int plain_text(sqlite3 *db, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	int r;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	r = rc == SQLITE_DONE ? -ENODATA : store_file_errno(rc);
	if (r == 0)
		(void)snprintf(ret, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt); /* repeats the error of the step */
	return r;
}

/* Locking before anything is read: in WAL mode this is what keeps the -shm file away (wal.html,
 * section 8). */
static int connect_file(const char *path, sqlite3 **ret)
{
	_cleanup_(db_closep) sqlite3 *db = NULL;
	int r;

	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
		0); /* refused when another store was opened before: fine */
	r = store_file_errno(
		sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r < 0)
		return r;
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	r = store_file_sql(db,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; PRAGMA cache_size=-512;"
		"PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA synchronous=FULL;"
		"PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000;"
		"PRAGMA journal_size_limit=8388608");
	if (r < 0)
		return r;
	*ret = TAKE(db);
	return 0;
}

static int read_version(sqlite3 *db, long *ret)
{
	char text[16] = "";
	int r = plain_text(db, "PRAGMA user_version", text, sizeof(text));

	*ret = strtol(text, NULL, 10);
	return r;
}

static int migrate(sqlite3 *db, long version)
{
	int r = 0;

	for (; r == 0 && version < (long)store_schema_version; version++) {
		char stamp[64];

		(void)snprintf(
			stamp, sizeof(stamp), "PRAGMA user_version=%ld; COMMIT", version + 1);
		r = store_file_sql(db, "BEGIN IMMEDIATE");
		if (r == 0)
			r = store_file_sql(db, store_schema[version]);
		if (r == 0)
			r = store_file_sql(db, stamp);
	}
	return r;
}

/* A page that can't be read at the moment is no damage, but SQLite's check has words only. */
static int judge(const char *what)
{
	static const char code[] = "unable to get the page. error code=";
	const char *at = strstr(what, code);

	if (strcmp(what, "ok") == 0)
		return 0;
	if (at)
		return store_file_errno((int)strtol(at + strlen(code), NULL, 10));
	return strstr(what, "failed to get page ") ? -EIO : -EUCLEAN;
}

static int check(sqlite3 *db, char *ret_what, size_t size)
{
	int r = plain_text(db, "PRAGMA quick_check(1)", ret_what, size);

	return r == 0 ? judge(ret_what) : r;
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
	_cleanup_(db_closep) sqlite3 *db = NULL;
	_cleanup_(closep) int fd = -1;
	int r;

	remove_leftover(made);
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	fd = closefd(fd); /* SQLite's locks would go with any descriptor of ours */
	r = connect_file(made, &db);
	if (r == 0)
		r = store_file_sql(db, "PRAGMA journal_mode=WAL");
	if (r == 0)
		r = migrate(db, 0);
	if (r == 0)
		r = store_file_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	db_closep(&db); /* folds the WAL in and removes it */
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

static int bring_up(sqlite3 *db, const char *path, char *ret_what, size_t size, struct err *err)
{
	long version = 0;
	int r = read_version(db, &version); /* takes the lock */

	if (r == 0 && version > (long)store_schema_version)
		return err_set(err, -ENOTSUP, ERR_STATE_SCHEMA, path,
			"%s has schema %ld, this agent knows %zu: it was written by a newer agent",
			path, version, store_schema_version);
	if (r == 0 && version < 1) {
		(void)snprintf(ret_what, size, "it has no schema");
		r = -EUCLEAN;
	}
	if (r == 0)
		r = check(db, ret_what, size);
	if (r == 0)
		r = store_file_sql(db, "PRAGMA journal_mode=WAL"); /* a mode of the file: a copy may
								    have lost it */
	if (r == 0)
		r = migrate(db, version);
	return r < 0 && r != -EUCLEAN ? fail_open(path, r, err) : r;
}

static int open_memory(sqlite3 **ret, struct err *err)
{
	_cleanup_(db_closep) sqlite3 *db = NULL;
	int r = connect_file(":memory:", &db);

	if (r == 0)
		r = migrate(db, 0);
	if (r < 0)
		return fail_open(":memory:", r, err);
	*ret = TAKE(db);
	return 0;
}

int store_file_open(const char *path, sqlite3 **ret, struct err *err)
{
	_cleanup_(db_closep) sqlite3 *db = NULL;
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
	r = connect_file(path, &db);
	if (r == 0)
		r = bring_up(db, path, what, sizeof(what), err);
	else if (r != -EUCLEAN)
		return fail_open(path, r, err);
	if (r == -EUCLEAN) {
		if (db)
			(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		db_closep(&db);
		return set_aside(path, what, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(db);
	return 0;
}
