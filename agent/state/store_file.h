/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file below the store: connect, create, check, migrate, set aside. What store_open() promises
 * is done here. Together with store.c the sole includer of sqlite3.h. */
#pragma once

#include <sqlite3.h>

#include "proto/base.h"
#include "proto/err.h"

/* As store_open(). The connection is the caller's to sqlite3_close(). */
_must_check_ int store_file_open(const char *path, sqlite3 **ret, struct err *err);

/* Run statements that take no arguments and give no rows. Returns 0 or a negative errno of store.h.
 */
_must_check_ int store_file_sql(sqlite3 *db, const char *sql);

/* SQLite's (extended) result code as a negative errno of store.h, 0 when it is none. Aborts at
 * SQLITE_NOMEM. */
int store_file_errno(int rc);
