/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl top: what every container uses, live. Two samples of the local API make a rate: the
 * older one is kept beside the newer, and rows are made of both, filtered and sorted, whenever a
 * sample comes or a key is pressed. Rows borrow their texts from the newer sample.
 *
 * Columns are a table: head, the key that sorts by it, value, text. On a terminal the loop waits
 * in getch(3) until the next sample is due; where there is none, or for JSON, two samples are
 * taken and one table is printed. Names are made printable before they reach the screen. Nothing
 * is asked of containers or cgroups from here. */
#include <curses.h>
#include <locale.h>
#include <poll.h>

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_text.h"
#include "proto/clock.h"
#include "proto/err.h"
#include "proto/jsonx.h"

#define INTERVAL_MS  1000
#define NS_PER_MS    1000000.0
#define FILTER_MAX   40
#define HEAD_LINES   4
#define LEFT_WIDTH   30 /* of a name and a status */
#define COLUMN_WIDTH 10
#define KEY_ESCAPE   27

struct row {
	const char *id, *name, *status; /* borrowed from the sample */
	double cpu, memory, memory_pct, processes, disk, received, sent, read, written;
};

struct top {
	const struct ctl *ctl;
	json_t *before, *now;
	int64_t before_ms, now_ms;
	struct row *rows;
	size_t n;
	unsigned sort; /* a column */
	size_t first;  /* row on the screen */
	char filter[FILTER_MAX];
	bool typing; /* the filter */
};

/* --- samples --- */

static double at(const json_t *v, const char *a, const char *b)
{
	const json_t *member = json_object_get(v, a);

	return json_number_value(b ? json_object_get(member, b) : member);
}

static double counter(const json_t *v, const char *key)
{
	return at(json_array_get(json_object_get(v, "network"), 0), "counters", key);
}

/* The container's sample before this one. */
static const json_t *earlier(const struct top *t, const char *id)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(t->before, "containers"), i, v)
		if (strcmp(ctl_text_of(v, "id"), id) == 0)
			return v;
	return NULL;
}

static double rate(double was, double is, double seconds)
{
	return seconds > 0 && is >= was ? (is - was) / seconds : 0;
}

/* Statistics have the words of LXD's states; people read those of the other commands. */
static const char *state_of(const json_t *v)
{
	static const char *const words[][2] = { { "Running", "running" }, { "Stopped", "stopped" },
		{ "Frozen", "paused" }, { "Starting", "creating" }, { "Stopping", "deleting" },
		{ "Error", "failed" } };
	const char *status = ctl_text_of(v, "status");

	for (size_t i = 0; status && i < countof(words); i++)
		if (strcmp(words[i][0], status) == 0)
			return words[i][1];
	return status;
}

static struct row row_of(const struct top *t, const json_t *v)
{
	const json_t *b = earlier(t, ctl_text_of(v, "id"));
	double s = b ? (double)(t->now_ms - t->before_ms) / 1000 : 0;

	return (struct row){
		.id = ctl_text_of(v, "id"),
		.name = ctl_text_of(v, "name"),
		.status = state_of(v),
		.cpu = rate(at(b, "cpu", "usage"), at(v, "cpu", "usage"), s) / NS_PER_MS / 10,
		.memory = at(v, "memory", "usage"),
		.memory_pct = at(v, "memory", "usage_percent"),
		.processes = at(v, "processes", NULL),
		.disk = at(json_object_get(v, "disk"), "root", "usage"),
		.received = rate(counter(b, "bytes_received"), counter(v, "bytes_received"), s),
		.sent = rate(counter(b, "bytes_sent"), counter(v, "bytes_sent"), s),
		.read = rate(at(b, "io", "read_bytes"), at(v, "io", "read_bytes"), s),
		.written = rate(at(b, "io", "write_bytes"), at(v, "io", "write_bytes"), s),
	};
}

static bool passes(const struct top *t, const json_t *v)
{
	const char *name = ctl_text_of(v, "name"), *id = ctl_text_of(v, "id"),
		   *status = state_of(v);

	return !*t->filter || (name && strcasestr(name, t->filter)) ||
	       strncmp(id, t->filter, strlen(t->filter)) == 0 ||
	       (status && strcasestr(status, t->filter));
}

static int compare(const void *a, const void *b, void *userdata);

static void make_rows(struct top *t)
{
	const json_t *all = json_object_get(t->now, "containers");
	json_t *v;
	size_t i;

	free(t->rows);
	t->rows = xcalloc(json_array_size(all) + 1, sizeof(*t->rows));
	t->n = 0;
	json_array_foreach((json_t *)(uintptr_t)all, i, v)
		if (passes(t, v))
			t->rows[t->n++] = row_of(t, v);
	qsort_r(t->rows, t->n, sizeof(*t->rows), compare, t);
	t->first = MIN_OF(t->first, t->n > 0 ? t->n - 1 : 0);
}

static enum ctl_exit sample(struct top *t, struct err *err)
{
	json_t *v = NULL;
	enum ctl_exit e = ctl_http_ask(t->ctl, "GET", "/stats", NULL, false, &v, err);

	if (e != CTL_OK)
		return e;
	json_decref(t->before);
	t->before = t->now;
	t->before_ms = t->now_ms;
	t->now = v;
	t->now_ms = clock_ms(CLOCK_MONOTONIC);
	make_rows(t);
	return CTL_OK;
}

/* --- columns --- */

static void size_text(double value, char ret[static CTL_TEXT_MAX])
{
	(void)ctl_text_size((int64_t)value, ret);
}

static void percent_text(double value, char ret[static CTL_TEXT_MAX])
{
	(void)snprintf(ret, CTL_TEXT_MAX, "%.1f", value);
}

static void number_text(double value, char ret[static CTL_TEXT_MAX])
{
	(void)snprintf(ret, CTL_TEXT_MAX, "%.0f", value);
}

#define COLUMN(function_, member_)                   \
	static double function_(const struct row *r) \
	{                                            \
		return r->member_;                   \
	}
COLUMN(cpu, cpu)
COLUMN(memory, memory)
COLUMN(memory_pct, memory_pct)
COLUMN(processes, processes)
COLUMN(received, received)
COLUMN(sent, sent)
COLUMN(bytes_read, read)
COLUMN(bytes_written, written)
COLUMN(disk, disk)

static const struct {
	const char *head;
	int key; /* sorts by it */
	double (*value)(const struct row *r);
	void (*text)(double value, char ret[static CTL_TEXT_MAX]);
	bool is_spare; /* where there is room */
} columns[] = {
	{ "CPU%", 'c', cpu, percent_text },
	{ "MEMORY", 'm', memory, size_text },
	{ "MEM%", 'M', memory_pct, percent_text, true },
	{ "PROCS", 'p', processes, number_text, true },
	{ "RX/s", 'r', received, size_text },
	{ "TX/s", 't', sent, size_text },
	{ "READ/s", 'R', bytes_read, size_text, true },
	{ "WRITE/s", 'W', bytes_written, size_text, true },
	{ "DISK", 'd', disk, size_text, true },
};
#define BY_NAME countof(columns)

static int compare(const void *a, const void *b, void *userdata)
{
	const struct row *x = a, *y = b;
	const struct top *t = userdata;
	double p, q;

	if (t->sort < countof(columns)) {
		p = columns[t->sort].value(x);
		q = columns[t->sort].value(y);
		if (p != q)
			return p < q ? 1 : -1;
	}
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

/* --- the table, once --- */

static void print_table(const struct top *t)
{
	const char *heads[countof(columns) + 3] = { "CONTAINER", "NAME", "STATUS" };
	struct ctl_text *text;

	for (size_t i = 0; i < countof(columns); i++)
		heads[i + 3] = columns[i].head;
	text = ctl_text_new(heads, countof(heads));
	ctl_text_fit(text, 0, CTL_FIT_ID);
	ctl_text_fit(text, 1, CTL_FIT_TEXT);
	for (size_t i = 0; i < countof(columns); i++)
		if (columns[i].is_spare)
			ctl_text_fit(text, i + 3, CTL_FIT_SPARE);
	for (size_t i = 0; i < t->n; i++) {
		const struct row *r = &t->rows[i];

		ctl_text_cell(text, r->id, CTL_PLAIN);
		ctl_text_cell(text, r->name, CTL_PLAIN);
		ctl_text_cell(text, r->status, CTL_PLAIN);
		for (size_t k = 0; k < countof(columns); k++) {
			char cell[CTL_TEXT_MAX];

			columns[k].text(columns[k].value(r), cell);
			ctl_text_right(text, cell, CTL_PLAIN);
		}
	}
	ctl_text_print(text, stdout, t->ctl->colour);
	ctl_text_free(text);
}

/* As people write it: @scale 10 leaves one digit behind the point. */
static json_t *rounded(double value, double scale)
{
	return jsonx_number((double)(int64_t)(value * scale + 0.5) / scale);
}

static json_t *row_json(const struct row *r)
{
	json_t *v = json_object();

	jsonx_set_string(v, "id", r->id);
	jsonx_set_string(v, "name", r->name);
	jsonx_set_string(v, "status", r->status);
	jsonx_set(v, "cpu_percent", rounded(r->cpu, 10));
	jsonx_set(v, "memory_bytes", rounded(r->memory, 1));
	jsonx_set(v, "processes", rounded(r->processes, 1));
	jsonx_set(v, "received_bytes_per_second", rounded(r->received, 1));
	jsonx_set(v, "sent_bytes_per_second", rounded(r->sent, 1));
	return v;
}

static json_t *rows_json(const struct top *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n; i++)
		(void)json_array_append_new(list, row_json(&t->rows[i]));
	return list;
}

static enum ctl_exit once(struct top *t, struct err *err)
{
	enum ctl_exit e = sample(t, err);
	json_t *v;

	if (e == CTL_OK) {
		(void)poll(NULL, 0, INTERVAL_MS);
		e = sample(t, err);
	}
	if (e != CTL_OK)
		return e;
	if (!t->ctl->json) {
		print_table(t);
		return CTL_OK;
	}
	v = rows_json(t);
	ctl_out_json(v);
	json_decref(v);
	return CTL_OK;
}

/* --- the screen --- */

static void put_text(int y, int x, int width, const char *s)
{
	char *clean = xstrdup(s ? s : "");

	err_clean(clean);
	(void)mvprintw(y, x, "%-*.*s", width, width, clean);
	free(clean);
}

/* On a narrow screen the spare columns are left out, from the right. */
static bool is_shown(size_t column)
{
	size_t room = (size_t)MAX_OF(COLS - LEFT_WIDTH, 0) / COLUMN_WIDTH, needed = 0;

	for (size_t i = 0; i < countof(columns); i++)
		needed += !columns[i].is_spare || (columns[column].is_spare && i <= column);
	return needed <= room || !columns[column].is_spare;
}

static void draw_head(const struct top *t)
{
	const json_t *node = json_object_get(t->now, "node");
	char used[CTL_TEXT_MAX], total[CTL_TEXT_MAX];
	int x = LEFT_WIDTH;

	size_text(at(node, "mem", "used_bytes"), used);
	size_text(at(node, "mem", "total_bytes"), total);
	(void)mvprintw(0, 0,
		"%zu containers, load %.2f %.2f %.2f, cpu %.1f %% of %.0f, memory %s of %s", t->n,
		at(node, "load", "1"), at(node, "load", "5"), at(node, "load", "15"),
		at(node, "cpu", "busy_pct"), at(node, "cores", NULL), used, total);
	if (t->typing || *t->filter)
		(void)mvprintw(1, 0, "filter: %s%s", t->filter, t->typing ? "_" : "");
	else
		(void)mvprintw(1, 0, "q quits, / filters, n c m M p r t R W d sort");
	(void)attron(A_REVERSE);
	(void)mvhline(HEAD_LINES - 1, 0, ' ', COLS);
	(void)mvprintw(HEAD_LINES - 1, 0, "%-20s %-8s", "NAME", "STATUS");
	for (size_t i = 0; i < countof(columns); i++)
		if (is_shown(i)) {
			(void)mvprintw(HEAD_LINES - 1, x, "%9s%c", columns[i].head,
				t->sort == i ? '*' : ' ');
			x += COLUMN_WIDTH;
		}
	(void)attroff(A_REVERSE);
}

static void draw(const struct top *t)
{
	(void)erase();
	draw_head(t);
	for (size_t i = t->first; i < t->n; i++) {
		const struct row *r = &t->rows[i];
		int y = HEAD_LINES + (int)(i - t->first), x = LEFT_WIDTH;

		if (y >= LINES)
			break;
		put_text(y, 0, 20, r->name && *r->name ? r->name : r->id);
		put_text(y, 21, 8, r->status);
		for (size_t k = 0; k < countof(columns); k++) {
			char cell[CTL_TEXT_MAX];

			if (!is_shown(k))
				continue;
			columns[k].text(columns[k].value(r), cell);
			(void)mvprintw(y, x, "%9s", cell);
			x += COLUMN_WIDTH;
		}
	}
	(void)refresh();
}

static void type(struct top *t, int key)
{
	size_t len = strlen(t->filter);

	if (key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE) {
		t->typing = false;
		if (key == KEY_ESCAPE)
			t->filter[0] = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len > 0) {
		t->filter[len - 1] = '\0';
	} else if (key >= ' ' && key <= '~' && len + 1 < sizeof(t->filter)) {
		t->filter[len] = (char)key;
		t->filter[len + 1] = '\0';
	}
}

static void scroll_by(struct top *t, int lines)
{
	int64_t first = (int64_t)t->first + lines;

	t->first = (size_t)MAX_OF(0, MIN_OF(first, (int64_t)t->n - 1));
}

/* False: the end. */
static bool on_key(struct top *t, int key)
{
	if (t->typing) {
		type(t, key);
		make_rows(t);
		return true;
	}
	if (key == 'q')
		return false;
	if (key == '/')
		t->typing = true;
	if (key == KEY_UP || key == KEY_DOWN)
		scroll_by(t, key == KEY_UP ? -1 : 1);
	if (key == KEY_PPAGE || key == KEY_NPAGE)
		scroll_by(t, (key == KEY_PPAGE ? -1 : 1) * MAX_OF(LINES - HEAD_LINES, 1));
	if (key == 'n')
		t->sort = BY_NAME;
	for (unsigned i = 0; i < countof(columns); i++)
		if (key == columns[i].key)
			t->sort = i;
	make_rows(t);
	return true;
}

static enum ctl_exit live(struct top *t, struct err *err)
{
	enum ctl_exit e = sample(t, err);
	int64_t next_ms = clock_ms(CLOCK_MONOTONIC) + INTERVAL_MS;
	int key;

	if (e != CTL_OK)
		return e;
	(void)setlocale(LC_ALL, "");
	if (!newterm(NULL, stdout, stdin)) /* initscr(3) would exit */
		return err_set(err, -ENOTTY, ERR_INTERNAL, "TERM", "this terminal can't be used"),
		       CTL_FAILED;
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, true);
	(void)curs_set(0);
	do {
		draw(t);
		timeout((int)MAX_OF(next_ms - clock_ms(CLOCK_MONOTONIC), 0));
		key = getch();
		if (key == ERR) {
			e = sample(t, err);
			next_ms = clock_ms(CLOCK_MONOTONIC) + INTERVAL_MS;
		}
	} while (e == CTL_OK && (key == ERR || on_key(t, key)));
	(void)endwin();
	return e;
}

enum ctl_exit ctl_top(const struct ctl *ctl, struct err *err)
{
	struct top t = { .ctl = ctl };
	bool screen = !ctl->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	enum ctl_exit e = screen ? live(&t, err) : once(&t, err);

	json_decref(t.before);
	json_decref(t.now);
	free(t.rows);
	return e;
}
