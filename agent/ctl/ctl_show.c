/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_show.h"

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_text.h"
#include "proto/jsonx.h"

const json_t *ctl_show_member(const json_t *v, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[32];

	if (!dot)
		return json_object_get(v, path);
	(void)snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return json_object_get(json_object_get(v, first), dot + 1);
}

static void add_row(
	struct ctl_text *t, const struct ctl_column *columns, size_t n, const json_t *row)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = ctl_show_member(row, columns[i].member);
		const char *s = json_string_value(v);

		if (json_is_integer(v))
			ctl_text_number(t, json_integer_value(v));
		else
			ctl_text_cell(t, s && *s ? s : NULL,
				columns[i].coloured ? ctl_text_colour_of(s ? s : "") : CTL_PLAIN);
	}
}

static void print_list(
	const struct ctl *ctl, const struct ctl_column *columns, size_t n, const json_t *list)
{
	const char *heads[CTL_TEXT_COLUMNS_MAX];
	_cleanup_(ctl_text_freep) struct ctl_text *t = NULL;
	json_t *row;
	size_t i;

	for (i = 0; i < n; i++)
		heads[i] = columns[i].head;
	t = ctl_text_new(heads, n);
	json_array_foreach((json_t *)list, i, row) {
		const char *id = json_string_value(ctl_show_member(row, columns[0].member));

		if (ctl->quiet)
			puts(id ? id : "-");
		else
			add_row(t, columns, n, row);
	}
	if (!ctl->quiet)
		ctl_text_print(t, stdout, ctl->colour);
}

static void print_rows(
	const struct ctl *ctl, const struct ctl_column *columns, size_t n, const json_t *rows)
{
	if (ctl->json)
		ctl_out_json(rows);
	else
		print_list(ctl, columns, n, rows);
}

/* All there are. */
enum ctl_exit ctl_show_list(const struct ctl *ctl, const char *path, const char *name,
	const struct ctl_column *columns, size_t n, struct err *err)
{
	_cleanup_json_ json_t *rows = NULL;
	enum ctl_exit e = ctl_http_list(ctl, path, name, &rows, err);

	if (e == CTL_OK)
		print_rows(ctl, columns, n, rows);
	return e;
}

/* The newest, as many as @path says. */
enum ctl_exit ctl_show_newest(const struct ctl *ctl, const char *path, const char *name,
	const struct ctl_column *columns, size_t n, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);

	if (e == CTL_OK)
		print_rows(ctl, columns, n, json_object_get(data, name));
	return e;
}

static void print_object(const struct ctl *ctl, const json_t *v)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);
	const char *key;
	json_t *m;

	json_object_foreach((json_t *)v, key, m) {
		_cleanup_(freep) char *text = json_is_string(m) ? xstrdup(json_string_value(m))
								: json_dumps(m, JSON_ENCODE_ANY);

		ctl_text_cell(t, key, CTL_BOLD);
		ctl_text_cell(t, json_is_null(m) ? "-" : text,
			strcmp(key, "status") == 0 ? ctl_text_colour_of(text) : CTL_PLAIN);
	}
	ctl_text_print(t, stdout, ctl->colour);
}

enum ctl_exit ctl_show_object(const struct ctl *ctl, const char *path, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);

	if (e == CTL_OK && ctl->json)
		ctl_out_json(data);
	else if (e == CTL_OK)
		print_object(ctl, data);
	return e;
}
