/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of the state file as JSON. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* A column that is a time in ms, as text; or null. */
json_t *rowjson_time(struct store_stmt *q, int column);
/* All rows that are to come, as an array of what @row makes of each. Ends the process when one
 * can't be read, as store_must() does. */
json_t *rowjson_all(struct store_stmt *q, json_t *(*row)(struct store_stmt *q));
