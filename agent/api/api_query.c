/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_query.h"

#include "proto/jsonx.h"

/* --- which --- */

static bool is_wanted(const struct api_form_field *f, const json_t *wanted, const json_t *row)
{
	const json_t *v = json_object_get(row, f->to);

	if (f->how == API_FORM_SEARCH)
		return json_is_string(v) &&
		       strcasestr(json_string_value(v), json_string_value(wanted));
	return json_equal(v, wanted);
}

static void filter(const struct api_form_field *f, const json_t *wanted, json_t *rows)
{
	for (size_t i = json_array_size(rows); i > 0; i--)
		if (!is_wanted(f, wanted, json_array_get(rows, i - 1)))
			(void)json_array_remove(rows, i - 1);
}

/* --- in which order --- */

struct sorting {
	const char *by;
	int sign;
};

/* What isn't there or is null comes first. A member may be of several types, and an order that held
 * within each alone would be none. */
static int rank_of(const json_t *v)
{
	return json_is_boolean(v) ? 1 : json_is_number(v) ? 2 : json_is_string(v) ? 3 : 0;
}

static int compare_values(const json_t *a, const json_t *b)
{
	double x, y;

	if (rank_of(a) != rank_of(b))
		return rank_of(a) - rank_of(b);
	if (json_is_string(a))
		return strcmp(json_string_value(a), json_string_value(b));
	x = json_is_boolean(a) ? json_is_true(a) : json_number_value(a);
	y = json_is_boolean(b) ? json_is_true(b) : json_number_value(b);
	return (x > y) - (x < y);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct sorting *s = arg;
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = s->sign * compare_values(json_object_get(x, s->by), json_object_get(y, s->by));

	return order ? order : compare_values(json_object_get(x, "id"), json_object_get(y, "id"));
}

static json_t *sorted(const struct sorting *s, json_t *rows_steals)
{
	size_t n = json_array_size(rows_steals);
	_cleanup_(freep) json_t **all = xcalloc(n + 1, sizeof(json_t *));
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		all[i] = json_array_get(rows_steals, i);
	qsort_r(all, n, sizeof(json_t *), compare, (void *)(uintptr_t)s);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append(list, all[i]);
	json_decref(rows_steals);
	return list;
}

json_t *api_query_rows(enum api_form form, const json_t *query, json_t *rows_steals)
{
	json_t *rows = rows_steals;
	size_t n;
	const struct api_form_field *fields = api_form_fields(&n);
	const char *order = json_string_value(json_object_get(query, "sort_order"));
	struct sorting sorting = { NULL, order && strcmp(order, "desc") == 0 ? -1 : 1 };

	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_object_get(query, fields[i].name);

		if (fields[i].form != form || !v)
			continue;
		if (fields[i].how == API_FORM_SORT)
			sorting.by = json_string_value(v);
		else if (fields[i].how == API_FORM_MATCH || fields[i].how == API_FORM_SEARCH)
			filter(&fields[i], v, rows);
	}
	return sorting.by ? sorted(&sorting, rows) : rows;
}
