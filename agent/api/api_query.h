/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a list's query does to its rows, by the fields of its form (api_queries.def). Pure. */
#pragma once

#include "agent/common/api_form.h"

/* Those rows that the query asks for, in the order that it asks for; rows that are the same in it
 * by their id. @query: as api_form_query() gives it. The caller's. */
json_t *api_query_rows(enum api_form form, const json_t *query, json_t *rows_steals);
