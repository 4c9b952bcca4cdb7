/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a list may be asked after its path: a parameter that it doesn't know is refused by its name,
 * as a member of a body is. One table, by path. Pure. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

/* @path is a route's. -EINVAL: @err names the parameter. Paths that are no lists take what they
 * get. */
_must_check_ int api_query_check(const char *path, const json_t *query, struct err *err);

/* Of a list's rows those that the query asks for stay. */
void api_query_filter(const char *path, const json_t *query, json_t *rows);
