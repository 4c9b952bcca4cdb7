/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/state: the state file, and what is worked out of it and of the configuration alone.
 *
 * Here lie the file (store, store_file, its migrations in store_schema), what was ordered
 * (journal), what is wished (desired: containers; the …list files: one table each, rows in and rows
 * out as JSON), what is to be told (outbox) and was (history), whom we trust (trust), and how a
 * container's link is called (ctlink, pure).
 *
 * Every floor above may call it. It may touch lxc/ctspec, storage's and netfilter's ways to write
 * things down, and names of netns; no socket, no process, no container, and no file but the state's
 * and TrustedKeys. Nothing here decides what follows from a change: one listener may be asked to
 * (desired_on_status).
 *
 * This header is the database: open, migrate, transaction, and a thin statement interface. Sole
 * includer of sqlite3.h.
 *
 * One SQLite file in WAL mode with synchronous=FULL: what store_commit() has returned 0 for
 * survives a power cut. The agent alone opens it (exclusive locking, so there is no -shm file, and
 * a second agent or a sqlite3 shell is refused).
 *
 * A transaction is opened by the first statement that writes and is closed by store_commit(), which
 * the agent calls once per turn of its loop: all that happened in the turn is one fsync.
 * Crash-only: when a commit, or a write for another reason than a constraint, fails, nothing is
 * known of the transaction any more; the caller says so and aborts, and recovery at the next start
 * is the tested path. An fsync that failed is never retried.
 *
 * Errors of every call that touches the file: -ENOSPC (disk full), -EIO, -EUCLEAN (the file is
 * damaged), -EBUSY (someone else holds it), -EEXIST (UNIQUE or PRIMARY KEY; the statement alone is
 * undone), -EINVAL (any other constraint: a bug). */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

struct store;
struct store_stmt;

/* Open or create the database at @path (":memory:" for tests), bring its schema up to date, and
 * check it.
 *
 * A damaged file is renamed to <path>.corrupt-<UTC time> (with its -wal), never deleted; the call
 * then fails with -EUCLEAN, ERR_STATE_CORRUPT and the new name. While such a file lies there and
 * <path> is missing, every further open fails the same way: an empty database would accept again
 * every order that was already executed, so starting afresh is the operator's decision, made by
 * moving the file elsewhere.
 *
 * Blocks: reads the whole file once (quick_check). Returns 0; -EUCLEAN; -EBUSY (ERR_CONFIG: another
 * agent has it); -ENOTSUP (ERR_STATE_SCHEMA: written by a newer agent; nothing was changed);
 * -ENOENT, -EACCES … (ERR_INTERNAL). */
_must_check_ int store_open(const char *path, struct store **ret, struct err *err);

/* Frees; rolls back what is open, folds the WAL into the file. NULL in, NULL out. */
struct store *store_close(struct store *s);
static inline void store_closep(struct store **s)
{
	*s = store_close(*s);
}

/* --- transactions --- */

/* Opens one unless one is open. Seldom needed: a statement that writes does it. */
_must_check_ int store_begin(struct store *s);
/* Make everything since the transaction began durable. Nothing open: 0 and nothing done. All
 * statements must be done or reset. */
_must_check_ int store_commit(struct store *s);
void store_rollback(struct store *s);
/* For a change that nothing can go on without: when it failed, say so and end the process, which
 * recovers from what is durable. */
void store_must(int r);
/* A transaction is open. */
bool store_is_dirty(const struct store *s);

struct store_times {
	int64_t commit_last_us,
		commit_max_us; /* wall time of store_commit(), fsync included; 0: none yet */
	uint64_t commits;
};
struct store_times store_times(const struct store *s);

/* --- statements ---
 *
 * @sql must be a string of static storage: the prepared statement is kept under its address. A
 * statement that is in use (queried, not yet done or reset) must not be queried again: asserted.
 *
 * @types has one letter per argument, bound to ?1, ?2 … in order:
 *   t  const char *          text; NULL is SQL NULL
 *   i  int64_t               (cast what is not: the argument is read as 64 bits)
 *   o  const int64_t *       optional integer; NULL is SQL NULL
 *   b  const void *, size_t  blob; NULL is SQL NULL
 *   n  nothing               SQL NULL
 * Text and blobs are borrowed until the statement is done or reset.
 *
 *	_cleanup_stmt_ struct store_stmt *q =
 *		store_query(s, "SELECT order_id, seq FROM orders WHERE state=?1", "t", "accepted");
 *
 *	while ((r = store_step(q)) > 0)
 *		use(store_text(q, 0), store_int(q, 1));
 *	if (r < 0)
 *		return r;
 *
 * SQL that doesn't compile, or arguments that don't fit it, abort: that is a bug. */
struct store_stmt *store_query(struct store *s, const char *sql, const char *types, ...);

/* 1: a row is there; 0: done (and reset); negative errno (and reset). */
_must_check_ int store_step(struct store_stmt *q);

/* Give the statement back before it is done. NULL is fine, as is one that is done. */
void store_reset(struct store_stmt *q);
static inline void store_resetp(struct store_stmt **q)
{
	store_reset(*q);
}
#define _cleanup_stmt_ _cleanup_(store_resetp)

/* Query, step to the end, reset: for INSERT, UPDATE, DELETE. Returns 0 or a negative errno. */
_must_check_ int store_exec(struct store *s, const char *sql, const char *types, ...);

int64_t store_last_row(const struct store *s); /* rowid of the last INSERT */
int64_t store_changes(const struct store *s);  /* rows that the last statement changed */

/* Columns of the present row, counted from 0; a type other than the column's is a bug (asserted),
 * NULL is not: 0, NULL, NULL. Borrowed until the next step or reset. */
int64_t store_int(struct store_stmt *q, int column);
const char *store_text(struct store_stmt *q, int column);
const void *store_blob(struct store_stmt *q, int column, size_t *ret_size);
bool store_is_null(struct store_stmt *q, int column);

/* First column of the first row, or @fallback when there is no row or it is NULL: for COUNT, MAX,
 * SUM. Aborts when the file can't be read: nothing sensible follows. */
int64_t store_scalar(struct store *s, const char *sql, int64_t fallback);

/* --- meta: small named values --- */

/* The caller's copy (NUL-terminated for convenience), NULL when there is none. */
_must_check_ int store_meta_get(struct store *s, const char *key, char **ret, size_t *ret_size);
_must_check_ int store_meta_set(struct store *s, const char *key, const void *value, size_t size);
