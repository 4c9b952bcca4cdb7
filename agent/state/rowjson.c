/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/rowjson.h"

#include "proto/jsonx.h"

json_t *rowjson_time(struct store_stmt *q, int column)
{
	return store_is_null(q, column) ? json_null() : jsonx_time(store_int(q, column));
}

json_t *rowjson_all(struct store_stmt *q, json_t *(*row)(struct store_stmt *q))
{
	json_t *list = json_array();
	int r;

	while ((r = store_step(q)) > 0)
		(void)json_array_append_new(list, row(q));
	store_must(r);
	return list;
}
