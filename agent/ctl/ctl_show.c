/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists and objects of the local API. A list goes through the same hands whatever it is of: rows
 * are filtered and sorted as JSON, by a column's head or by any member's path, and only then made
 * text; so --json gets the rows that a table would have. */
#include "agent/ctl/ctl_show.h"

#include <fnmatch.h>
#include <poll.h>

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define WATCH_MS   2000
#define WORD_SHOWN 40  /* of one that is refused */
#define NEWEST_MAX 500 /* the API gives no more at once */

/* --- which columns --- */

/* "memory" is the column MEMORY. */
static const struct ctl_column *find_column(
	const struct ctl_view *view, const char *word, size_t len)
{
	for (size_t i = 0; i < view->n_columns; i++)
		if (strncasecmp(view->columns[i].head, word, len) == 0 &&
			view->columns[i].head[len] == '\0')
			return &view->columns[i];
	return NULL;
}

static enum ctl_exit refuse(const struct ctl_view *view, const char *option, const char *word,
	size_t len, struct err *err)
{
	_cleanup_(freep) char *heads = xstrdup("");

	for (size_t i = 0; i < view->n_columns; i++) {
		_cleanup_(freep) char *before = heads;

		heads = xasprintf("%s%s%s", before, i ? ", " : "", view->columns[i].head);
	}
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, option,
		"--%s: there is no column \"%.*s\"; there are %s", option,
		(int)MIN_OF(len, (size_t)WORD_SHOWN), word, heads);
	return CTL_USAGE;
}

struct chosen {
	const struct ctl_column *columns[CTL_TEXT_COLUMNS_MAX];
	size_t n;
};

static enum ctl_exit choose(
	const struct ctl *ctl, const struct ctl_view *view, struct chosen *ret, struct err *err)
{
	bool is_wide = ctl->output && strcmp(ctl->output, "wide") == 0;

	ret->n = 0;
	if (ctl->output && !is_wide)
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "output",
			       "--output: want \"wide\"; or --json"),
		       CTL_USAGE;
	for (size_t i = 0; !ctl->columns && i < view->n_columns; i++)
		if (is_wide || view->columns[i].when != CTL_WIDE)
			ret->columns[ret->n++] = &view->columns[i];
	if (ctl->columns && !*ctl->columns)
		return refuse(view, "columns", "", 0, err);
	for (const char *at = ctl->columns; at && *at;) {
		size_t len = strcspn(at, ",");
		const struct ctl_column *c = find_column(view, at, len);

		if (!c)
			return refuse(view, "columns", at, len, err);
		if (ret->n == CTL_TEXT_COLUMNS_MAX)
			return err_set(err, -E2BIG, ERR_INVALID_PARAMS, "columns",
				       "--columns: at most %d", CTL_TEXT_COLUMNS_MAX),
			       CTL_USAGE;
		ret->columns[ret->n++] = c;
		at += len + (at[len] == ',');
	}
	return CTL_OK;
}

/* --- which rows, and in which order --- */

static bool fits(
	const struct ctl *ctl, const struct ctl_column *c, const json_t *row, const char *wish)
{
	_cleanup_(freep) char *text = ctl_value_text(ctl, c->kind, ctl_value_at(row, c->member));

	return fnmatch(wish, text ? text : "", FNM_CASEFOLD) == 0;
}

/* "status=running,name=w*": rows that fit all of it. */
static enum ctl_exit filter(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err)
{
	for (const char *at = ctl->filter; at && *at;) {
		size_t len = strcspn(at, ","), key = strcspn(at, "=");
		const struct ctl_column *c = key < len ? find_column(view, at, key) : NULL;
		_cleanup_(freep) char *wish =
			xasprintf("%.*s", c ? (int)(len - key - 1) : 0, c ? at + key + 1 : "");

		if (key >= len)
			return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "filter",
				       "--filter: \"%.*s\": want COLUMN=VALUE",
				       (int)MIN_OF(len, (size_t)WORD_SHOWN), at),
			       CTL_USAGE;
		if (!c)
			return refuse(view, "filter", at, key, err);
		for (size_t i = json_array_size(rows); i-- > 0;)
			if (!fits(ctl, c, json_array_get(rows, i), wish))
				(void)json_array_remove(rows, i);
		at += len + (at[len] == ',');
	}
	return CTL_OK;
}

struct order {
	const char *member;
	bool is_reversed;
};

/* Numbers from the largest on, all else from A to Z; what has no value is last. */
static int compare(const void *a, const void *b, void *userdata)
{
	const struct order *o = userdata;
	const json_t *x = ctl_value_at(*(const json_t *const *)a, o->member),
		     *y = ctl_value_at(*(const json_t *const *)b, o->member);
	const char *p = json_string_value(x), *q = json_string_value(y);
	double m = json_number_value(x), n = json_number_value(y);
	int sign = o->is_reversed ? -1 : 1;

	if (p && q) {
		int by_text = strcasecmp(p, q);

		return sign * by_text;
	}
	if (json_is_number(x) && json_is_number(y))
		return sign * (m < n ? 1 : m > n ? -1 : 0);
	return (json_is_number(y) || q) - (json_is_number(x) || p);
}

static enum ctl_exit sort(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err)
{
	const char *word = ctl->sort ? ctl->sort : view->sort;
	bool is_reversed = word && *word == '-';
	size_t n = json_array_size(rows), i;
	const struct ctl_column *c;
	json_t *row;

	if (!word)
		return CTL_OK;
	word += is_reversed;
	c = find_column(view, word, strlen(word));
	if (!c)
		return refuse(view, "sort", word, strlen(word), err);
	_cleanup_(freep) const json_t **sorted = xcalloc(n + 1, sizeof(*sorted));
	json_array_foreach(rows, i, row)
		sorted[i] = json_incref(row);
	qsort_r(sorted, n, sizeof(*sorted), compare, &(struct order){ c->member, is_reversed });
	(void)json_array_clear(rows);
	for (i = 0; i < n; i++)
		(void)json_array_append_new(rows, (json_t *)(uintptr_t)sorted[i]);
	return CTL_OK;
}

/* --- lists --- */

static void add_row(
	const struct ctl *ctl, struct ctl_text *t, const struct chosen *c, const json_t *row)
{
	for (size_t i = 0; i < c->n; i++) {
		enum ctl_kind kind = c->columns[i]->kind;
		_cleanup_(freep) char *text =
			ctl_value_text(ctl, kind, ctl_value_at(row, c->columns[i]->member));
		enum ctl_colour colour = ctl_value_colour(kind, text);

		if (text && ctl_value_is_number(kind))
			ctl_text_right(t, text, colour);
		else
			ctl_text_cell(t, text, colour);
	}
}

/* Columns that were asked for by name are not left out, and only ids of them are cut. Of the wide
 * ones texts give up their ends, the others themselves. */
static enum ctl_fit fit_of(const struct ctl *ctl, const struct ctl_column *c)
{
	bool is_text = c->kind == CTL_TEXT || c->kind == CTL_SENTENCE;

	if (ctl->columns)
		return c->kind == CTL_ID ? CTL_FIT_ID : CTL_FIT_WHOLE;
	return c->when == CTL_SPARE || (c->when == CTL_WIDE && !is_text) ? CTL_FIT_SPARE
	       : c->kind == CTL_ID                                       ? CTL_FIT_ID
	       : is_text                                                 ? CTL_FIT_TEXT
	       : c->kind == CTL_WORD                                     ? CTL_FIT_WORD
									 : CTL_FIT_WHOLE;
}

static void print_table(const struct ctl *ctl, const struct chosen *c, const json_t *rows)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = NULL;
	const char *heads[CTL_TEXT_COLUMNS_MAX];
	json_t *row;
	size_t i;

	for (i = 0; i < c->n; i++)
		heads[i] = c->columns[i]->head;
	t = ctl_text_new(heads, c->n);
	for (i = 0; i < c->n; i++)
		ctl_text_fit(t, i, fit_of(ctl, c->columns[i]));
	if (c->n > 0 && c->columns[c->n - 1]->kind == CTL_SENTENCE)
		ctl_text_fit(t, c->n - 1, CTL_FIT_WRAP);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		add_row(ctl, t, c, row);
	ctl_text_print(t, stdout, ctl->colour);
}

static void print_ids(const struct ctl_view *view, const json_t *rows)
{
	const struct ctl_column *c = view->columns;
	json_t *row;
	size_t i;

	while (c->kind != CTL_ID && c + 1 < view->columns + view->n_columns)
		c++;
	if (c->kind != CTL_ID)
		c = view->columns;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *id = json_string_value(ctl_value_at(row, c->member));

		puts(ctl_text_or_dash(id));
	}
}

/* JSON is in the API's own words. */
static void forget_more(const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		(void)json_object_del(row, CTL_MORE);
}

enum ctl_exit ctl_show_pick(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err)
{
	bool for_people = !ctl->json && !ctl->quiet;
	struct chosen ignored;
	enum ctl_exit e = choose(ctl, view, &ignored, err);

	if (e == CTL_OK && view->more && (for_people || ctl->filter || ctl->sort))
		e = view->more(ctl, rows, err);
	if (e == CTL_OK)
		e = filter(ctl, view, rows, err);
	if (e == CTL_OK)
		e = sort(ctl, view, rows, err);
	if (ctl->json)
		forget_more(rows);
	return e;
}

enum ctl_exit ctl_show_rows(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err)
{
	struct chosen chosen;
	enum ctl_exit e = ctl_show_pick(ctl, view, rows, err);

	if (e == CTL_OK)
		e = choose(ctl, view, &chosen, err);
	if (e != CTL_OK)
		return e;
	if (ctl->json)
		ctl_out_json(rows);
	else if (ctl->quiet)
		print_ids(view, rows);
	else if (json_array_size(rows) == 0 && (view->none || ctl->filter))
		puts(ctl->filter ? "Nothing fits the filter." : view->none);
	else
		print_table(ctl, &chosen, rows);
	return CTL_OK;
}

enum ctl_exit ctl_show_list(const struct ctl *ctl, const struct ctl_view *view, const char *path,
	const char *name, struct err *err)
{
	_cleanup_json_ json_t *rows = NULL;
	enum ctl_exit e = ctl_http_list(ctl, path, name, &rows, err);

	return e == CTL_OK ? ctl_show_rows(ctl, view, rows, err) : e;
}

enum ctl_exit ctl_show_count(
	const struct ctl *ctl, unsigned preset, unsigned most, unsigned *ret, struct err *err)
{
	const char *text = ctl->lines;
	unsigned long n = preset;
	char *end = NULL;

	if (text)
		n = strtoul(text, &end, 10);
	if (text && (*text < '0' || *text > '9' || *end || n < 1 || n > most))
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--lines",
			       "--lines: want a number from 1 to %u", most),
		       CTL_USAGE;
	*ret = (unsigned)n;
	return CTL_OK;
}

void ctl_show_rest(unsigned asked, unsigned most, int64_t total)
{
	(void)fflush(stdout);
	if (total > asked)
		fprintf(stderr, "hoodyctl: the newest %u of %lld%s\n", asked, (long long)total,
			asked < most ? " (--lines says how many)" : "");
}

enum ctl_exit ctl_show_newest(const struct ctl *ctl, const struct ctl_view *view, const char *path,
	const char *name, unsigned preset, struct err *err)
{
	_cleanup_(freep) char *url = NULL;
	_cleanup_json_ json_t *data = NULL;
	unsigned n = 0;
	enum ctl_exit e = ctl_show_count(ctl, preset, NEWEST_MAX, &n, err);

	if (e != CTL_OK)
		return e;
	url = xasprintf("%s?limit=%u", path, n);
	e = ctl_http_ask(ctl, "GET", url, NULL, false, &data, err);
	if (e == CTL_OK)
		e = ctl_show_rows(ctl, view, json_object_get(data, name), err);
	if (e == CTL_OK)
		ctl_show_rest(
			n, NEWEST_MAX, json_integer_value(ctl_value_at(data, "pagination.total")));
	return e;
}

/* --- objects --- */

void ctl_show_line(struct ctl_text *t, const char *name, char *value_steals, enum ctl_colour colour)
{
	_cleanup_(freep) char *value = value_steals;

	if (!value)
		return;
	ctl_text_cell(t, name, CTL_BOLD);
	ctl_text_cell(t, value, colour);
}

/* All that is in an object, by path; what is null says nothing. */
static void add_members(
	const struct ctl *ctl, struct ctl_text *t, const char *path, const json_t *v)
{
	const char *key;
	json_t *m;

	json_object_foreach((json_t *)(uintptr_t)v, key, m) {
		_cleanup_(freep) char *name = xasprintf("%s%s%s", path, *path ? "." : "", key);
		int64_t ms;

		if (json_is_object(m))
			add_members(ctl, t, name, m);
		else if (json_is_string(m) && ident_time_parse(json_string_value(m), &ms) == 0)
			ctl_show_line(t, name, ctl_value_time(ctl, m), CTL_PLAIN);
		else
			ctl_show_line(t, name, ctl_value_text(ctl, CTL_TEXT, m), CTL_PLAIN);
	}
}

void ctl_show_lines(const struct ctl *ctl, const struct ctl_line *lines, size_t n, const json_t *v,
	struct ctl_text *t)
{
	for (size_t i = 0; i < n; i++) {
		const struct ctl_line *l = &lines[i];
		const json_t *m = ctl_value_at(v, l->member);
		char *text = l->say ? l->say(ctl, m) : NULL;

		if (!l->say && l->kind == CTL_OBJECT)
			add_members(ctl, t, l->name, m);
		else if (!l->say)
			text = ctl_value_text(ctl, l->kind, m);
		ctl_show_line(t, l->name, text, ctl_value_colour(l->kind, text));
	}
}

/* What has none of its own is told of by its container's. */
static enum ctl_exit print_id(const json_t *data)
{
	static const char *const members[] = { "operation_id", "id", "container_id" };

	for (size_t i = 0; i < countof(members); i++)
		if (ctl_text_of(data, members[i])) {
			puts(ctl_text_of(data, members[i]));
			break;
		}
	return CTL_OK;
}

enum ctl_exit ctl_show_object(
	const struct ctl *ctl, const struct ctl_view *view, const char *path, struct err *err)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = NULL;
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);

	if (e != CTL_OK)
		return e;
	if (ctl->json) {
		ctl_out_json(data);
		return CTL_OK;
	}
	if (ctl->quiet)
		return print_id(data);
	if (view->show)
		return view->show(ctl, path, data, err);
	t = ctl_text_new(NULL, 2);
	ctl_show_lines(ctl, view->lines, view->n_lines, data, t);
	ctl_text_print(t, stdout, ctl->colour);
	return CTL_OK;
}

/* --- again and again --- */

enum ctl_exit ctl_show_watched(const struct ctl *ctl,
	enum ctl_exit (*run)(const struct ctl *ctl, struct err *err), struct err *err)
{
	enum ctl_exit e = CTL_OK;

	for (bool first = true; e == CTL_OK && !ferror(stdout); first = false) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		else if (!first)
			putchar('\n');
		e = run(ctl, err);
		(void)fflush(stdout);
		if (e == CTL_OK)
			(void)poll(NULL, 0, WATCH_MS);
	}
	return e;
}
