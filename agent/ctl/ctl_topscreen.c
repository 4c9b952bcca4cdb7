/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The screen of hoodyctl top: three lines of the node, the heads, the rows, and a line of keys;
 * the loop waits in getch(3) until the next sample is due. It is as large as the terminal says at
 * any moment, whatever COLUMNS and LINES of the environment say, and drawn anew when that changes.
 *
 * What is always there fits into 40 columns. Where there is more room, columns come by their rank,
 * and the lines and names take the rest. All text goes through put(), which cuts it at its place
 * and at the screen's edge and writes only what this terminal can show: names are a stranger's.
 *
 * Colours are blue and orange, which nobody mixes up, and say nothing that isn't said without
 * them: those of the lines tell processors from memory, as their heads do. */
#include "agent/ctl/ctl_topscreen.h"

#include <ctype.h>
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <wchar.h>

#include "proto/clock.h"
#include "proto/err.h"

#define HEAD_LINES 4
#define FOOT_LINES 1
#define NAME_LEAST 12
#define NAME_MOST  28
#define LINE_LEAST 8
#define LINE_GOOD  16 /* from here on other columns come first */
#define NODE_WIDTH 28 /* of the text before the node's lines */
#define STATUS     8
#define FULL_PCT   90 /* of its memory: marked */
#define KEY_ESCAPE 27
#define CPU_PAIR   1
#define MEM_PAIR   2

struct screen {
	const struct ctl *ctl;
	struct ctl_toprows *rows;
	size_t first; /* row on the screen */
	bool typing;  /* the filter */
	bool help;
	bool utf8, blocks; /* what the terminal can show */
	struct err lost;   /* why the last sample didn't come */
	bool is_lost;
};

/* Where things stand. Width 0: not shown. */
struct place {
	int x, width;
};

struct layout {
	struct place name, status, column[CTL_TOPROW_COLUMNS], line[2];
};

/* The first two columns have their lines behind them. */
static const struct {
	size_t offset; /* in a row */
	double least;
	short pair;
} lines[] = {
	{ offsetof(struct ctl_toprow, cpu_line), CTL_TOPROW_CPU_LEAST, CPU_PAIR },
	{ offsetof(struct ctl_toprow, memory_line), CTL_TOPROW_MEM_LEAST, MEM_PAIR },
};

/* --- text --- */

/* The next character of @s that this terminal can show. */
static wchar_t character(const struct screen *s, const char **text)
{
	mbstate_t state = {};
	wchar_t c = L'?';
	size_t n = s->utf8 ? mbrtowc(&c, *text, MB_CUR_MAX, &state) : 1;

	if (!s->utf8 && !(**text & 0x80))
		c = (wchar_t) * *text;
	if (n == 0 || n > MB_CUR_MAX || wcwidth(c) < 0) {
		c = L'?';
		n = 1;
	}
	*text += n;
	while (!s->utf8 && ((unsigned char)**text & 0xc0) == 0x80)
		(*text)++;
	return c;
}

/* @return the columns that it took. */
static int put(const struct screen *s, int y, int x, int width, const char *text)
{
	_cleanup_(freep) char *clean = xstrdup(text);
	int used = 0;

	width = MIN_OF(width, COLS - x);
	if (y >= LINES || width <= 0)
		return 0;
	err_clean(clean);
	(void)move(y, x);
	for (const char *p = clean; *p;) {
		wchar_t c = character(s, &p);

		if (used + wcwidth(c) > width)
			break;
		used += wcwidth(c);
		(void)addnwstr(&c, 1);
	}
	return used;
}

static void put_right(const struct screen *s, int y, struct place at, const char *text)
{
	int len = (int)strlen(text); /* numbers and heads: ASCII */

	(void)put(s, y, at.x + MAX_OF(at.width - len, 0), MIN_OF(at.width, len), text);
}

static void put_line(const struct screen *s, int y, struct place at, const struct ctl_spark *line,
	double top, short pair)
{
	char text[CTL_SPARK_TEXT_MAX];

	if (at.width <= 0)
		return;
	ctl_spark_text(line, (size_t)at.width, top, s->blocks, text);
	(void)attron((attr_t)COLOR_PAIR(pair));
	(void)put(s, y, at.x, at.width, text);
	(void)attroff((attr_t)COLOR_PAIR(pair));
}

/* --- layout --- */

static void take(int *room, int width, int *ret_width)
{
	if (*room > width) {
		*room -= width + 1;
		*ret_width = width;
	}
}

static void lengthen(struct layout *l, int *room, int most)
{
	int more = MIN_OF(*room / 2, most - l->line[1].width);

	if (l->line[1].width == 0 || more <= 0)
		return;
	for (size_t i = 0; i < countof(lines); i++) {
		l->line[i].width += more;
		*room -= more;
	}
}

/* In the order in which things come while there is room. */
static void widths(struct layout *l, int room)
{
	int most = NAME_MOST - NAME_LEAST, more;

	room++; /* the last one needs no gap */
	take(&room, NAME_LEAST, &l->name.width);
	take(&room, 1, &l->status.width);
	for (size_t i = 0; i < countof(lines); i++)
		take(&room, ctl_toprow_columns[i].width, &l->column[i].width);
	take(&room, LINE_LEAST, &l->line[0].width);
	if (room >= STATUS - 1) {
		l->status.width = STATUS;
		room -= STATUS - 1;
	}
	take(&room, LINE_LEAST, &l->line[1].width);
	for (unsigned rank = countof(lines); rank < CTL_TOPROW_COLUMNS; rank++) {
		if (rank == CTL_TOPROW_SPARE)
			lengthen(l, &room, LINE_GOOD);
		for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++)
			if (ctl_toprow_columns[i].rank == rank)
				take(&room, ctl_toprow_columns[i].width, &l->column[i].width);
	}
	more = MIN_OF(MAX_OF(room, 0), most);
	l->name.width += more;
	room -= more;
	lengthen(l, &room, CTL_SPARK_SAMPLES);
}

static void stand(struct place *p, int *x)
{
	p->x = *x;
	*x += p->width > 0 ? p->width + 1 : 0;
}

static struct layout lay_out(int room)
{
	struct layout l = {};
	int x = 0;

	widths(&l, room);
	stand(&l.name, &x);
	stand(&l.status, &x);
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++) {
		stand(&l.column[i], &x);
		if (i < countof(lines))
			stand(&l.line[i], &x);
	}
	return l;
}

static size_t page(void)
{
	return (size_t)MAX_OF(LINES - HEAD_LINES - FOOT_LINES, 1);
}

/* --- the parts --- */

static void size_text(double bytes, char ret[static CTL_TEXT_MAX])
{
	if (isnan(bytes))
		(void)snprintf(ret, CTL_TEXT_MAX, "-");
	else
		(void)ctl_text_size((int64_t)bytes, ret);
}

static void draw_node(const struct screen *s)
{
	const struct ctl_toprows *t = s->rows;
	const json_t *node = json_object_get(t->sample, "node");
	double total = ctl_toprow_at(node, "mem", "total_bytes"),
	       busy = ctl_toprow_at(node, "cpu", "busy_pct");
	char used[CTL_TEXT_MAX], all[CTL_TEXT_MAX], text[200], here[60] = "";

	if (t->n > page())
		(void)snprintf(here, sizeof(here), "%zu-%zu of ", s->first + 1,
			MIN_OF(s->first + page(), t->n));
	(void)snprintf(text, sizeof(text), "%s%zu container%s, load %.2f %.2f %.2f", here, t->n,
		ctl_text_s((int64_t)t->n), ctl_toprow_at(node, "load", "1"),
		ctl_toprow_at(node, "load", "5"), ctl_toprow_at(node, "load", "15"));
	(void)put(s, 0, 0, COLS, text);
	if (isnan(busy))
		(void)snprintf(text, sizeof(text), "cpu    -");
	else
		(void)snprintf(text, sizeof(text), "cpu    %.1f %% of %.0f", busy,
			ctl_toprow_at(node, "cores", NULL));
	(void)put(s, 1, 0, NODE_WIDTH - 1, text);
	put_line(
		s, 1, (struct place){ NODE_WIDTH, COLS - NODE_WIDTH }, &t->cpu_line, 100, CPU_PAIR);
	size_text(ctl_toprow_at(node, "mem", "used_bytes"), used);
	size_text(total, all);
	(void)snprintf(text, sizeof(text), "memory %s of %s", used, all);
	(void)put(s, 2, 0, NODE_WIDTH - 1, text);
	put_line(s, 2, (struct place){ NODE_WIDTH, COLS - NODE_WIDTH }, &t->memory_line, total,
		MEM_PAIR);
}

static void draw_heads(const struct screen *s, const struct layout *l)
{
	int y = HEAD_LINES - 1;
	char head[24];

	(void)attron(A_REVERSE);
	(void)mvhline(y, 0, ' ', COLS);
	(void)put(s, y, l->name.x, l->name.width,
		s->rows->sort == CTL_TOPROW_BY_NAME ? "NAME*" : "NAME");
	(void)put(s, y, l->status.x, l->status.width, "STATUS");
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++) {
		(void)snprintf(head, sizeof(head), "%s%c", ctl_toprow_columns[i].head,
			s->rows->sort == i ? '*' : ' ');
		put_right(s, y, l->column[i], head);
	}
	for (size_t i = 0; i < countof(lines); i++) {
		(void)snprintf(head, sizeof(head), "last %d s", l->line[i].width);
		(void)put(s, y, l->line[i].x, l->line[i].width, head);
	}
	(void)attroff(A_REVERSE);
}

static void draw_status(const struct screen *s, int y, struct place at, const char *status)
{
	attr_t attr = strcmp(status, "running") == 0 ? A_NORMAL : A_DIM;
	char letter[2] = { (char)toupper((unsigned char)*status), '\0' };

	(void)attron(strcmp(status, "failed") == 0 ? A_BOLD : attr);
	(void)put(s, y, at.x, at.width, at.width == 1 ? letter : status);
	(void)attroff(A_BOLD | A_DIM);
}

/* Each number has a place to its right for a mark, as its head has. */
static void draw_row(
	const struct screen *s, const struct layout *l, int y, const struct ctl_toprow *r)
{
	(void)put(s, y, l->name.x, l->name.width, *r->name ? r->name : r->id);
	draw_status(s, y, l->status, r->status);
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++) {
		bool marked = ctl_toprow_columns[i].key == 'm' && r->memory_pct >= FULL_PCT;
		char cell[CTL_TEXT_MAX], text[CTL_TEXT_MAX + 1];

		ctl_toprow_cell(r, i, cell);
		(void)snprintf(text, sizeof(text), "%s%c", cell, marked ? '!' : ' ');
		(void)attron(marked ? A_BOLD : A_NORMAL);
		put_right(s, y, l->column[i], text);
		(void)attroff(A_BOLD);
	}
	for (size_t i = 0; i < countof(lines); i++) {
		const struct ctl_spark *line = (const void *)((const char *)r + lines[i].offset);

		put_line(
			s, y, l->line[i], line, ctl_spark_top(line, lines[i].least), lines[i].pair);
	}
}

/* --- keys --- */

static const struct {
	const char *key, *word;
} keys[] = { { "q", "quit" }, { "?", "help" }, { "/", "filter" } };

/* "k word", if all of it has room. */
static int put_key(const struct screen *s, int x, const char *key, const char *word)
{
	int y = LINES - 1, width = (int)(strlen(key) + 1 + strlen(word));

	if (x + width > COLS)
		return x;
	(void)attron(A_BOLD);
	(void)put(s, y, x, width, key);
	(void)attroff(A_BOLD);
	(void)put(s, y, x + (int)strlen(key) + 1, width, word);
	return x + width + 2;
}

static void draw_foot(const struct screen *s)
{
	const char *filter = s->rows->filter;
	char text[CTL_TOPROW_FILTER_MAX + 16];
	int x = 0;

	if (s->is_lost) {
		(void)attron(A_BOLD);
		(void)put(s, LINES - 1, 0, COLS, s->lost.message);
		(void)attroff(A_BOLD);
		return;
	}
	if (s->typing || *filter) {
		(void)snprintf(text, sizeof(text), "filter: %s%s", filter, s->typing ? "_" : "");
		x = put(s, LINES - 1, 0, COLS, text) + 2;
	}
	if (s->typing) {
		x = put_key(s, x, "Enter", "keep");
		(void)put_key(s, x, "Esc", "clear");
		return;
	}
	for (size_t i = 0; i < countof(keys); i++)
		x = put_key(s, x, keys[i].key, keys[i].word);
	x = put_key(s, x, "n", "NAME");
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++) {
		char key[2] = { (char)ctl_toprow_columns[i].key, '\0' };

		x = put_key(s, x, key, ctl_toprow_columns[i].head);
	}
}

/* Word by word. @return the line below. */
static int put_words(const struct screen *s, int y, const char *text)
{
	int x = 0;

	for (const char *end; *text; text = end) {
		char word[40];

		text += strspn(text, " ");
		end = text + strcspn(text, " ");
		(void)snprintf(word, sizeof(word), "%.*s", (int)(end - text), text);
		if (x > 0 && x + (int)(end - text) > COLS) {
			y++;
			x = 0;
		}
		x += put(s, y, x, COLS, word) + 1;
	}
	return y + 1;
}

static void draw_help(const struct screen *s)
{
	char sorts[200] = "Sort by: n NAME";
	int y = 0;

	y = put_words(s, y,
		"q quit, / filter by name, id or status; arrows, PgUp, PgDn, Home, End scroll");
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++) {
		size_t len = strlen(sorts);

		(void)snprintf(sorts + len, sizeof(sorts) - len, ", %c %s",
			ctl_toprow_columns[i].key, ctl_toprow_columns[i].head);
	}
	y = put_words(s, y, sorts);
	y = put_words(s, y,
		"A line is as high as its highest sample or up to twice that; a gap: not running.");
	(void)put_words(s, y, "! is 90 % of its memory.");
	(void)move(LINES - 1, 0);
	(void)clrtoeol();
	(void)put(s, LINES - 1, 0, COLS, "any key goes back");
}

static void draw(struct screen *s)
{
	const struct ctl_toprows *t = s->rows;
	const struct layout l = lay_out(COLS);
	size_t last = t->n > page() ? t->n - page() : 0;

	s->first = MIN_OF(s->first, last);
	(void)erase();
	if (s->help) {
		draw_help(s);
	} else {
		draw_node(s);
		draw_heads(s, &l);
		for (size_t i = s->first; i < t->n && i < s->first + page(); i++)
			draw_row(s, &l, HEAD_LINES + (int)(i - s->first), t->shown[i]);
		(void)move(LINES - 1, 0); /* of a screen that has no room for a row */
		(void)clrtoeol();
		draw_foot(s);
	}
	(void)refresh();
}

static void type(struct screen *s, int key)
{
	char *filter = s->rows->filter;
	size_t len = strlen(filter);

	if (key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE) {
		s->typing = false;
		if (key == KEY_ESCAPE)
			filter[0] = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len > 0) {
		filter[len - 1] = '\0';
	} else if (key >= ' ' && key <= '~' && len + 1 < CTL_TOPROW_FILTER_MAX) {
		filter[len] = (char)key;
		filter[len + 1] = '\0';
	}
}

static void scroll_by(struct screen *s, int64_t by)
{
	s->first = (size_t)MAX_OF(0, MIN_OF((int64_t)s->first + by, (int64_t)s->rows->n));
}

static void on_move(struct screen *s, int key)
{
	const struct {
		int key;
		int64_t by;
	} moves[] = { { KEY_UP, -1 }, { KEY_DOWN, 1 }, { KEY_PPAGE, -(int64_t)page() },
		{ KEY_NPAGE, (int64_t)page() }, { KEY_HOME, -(int64_t)s->rows->n },
		{ KEY_END, (int64_t)s->rows->n } };

	for (size_t i = 0; i < countof(moves); i++)
		if (key == moves[i].key)
			scroll_by(s, moves[i].by);
}

/* False: the end. */
static bool on_key(struct screen *s, int key)
{
	if (key == KEY_RESIZE) {
		(void)clearok(curscr, true); /* terminals that wrap lines anew leave anything */
		return true;
	}
	if (s->help || (key == '?' && !s->typing)) {
		s->help = !s->help;
		return true;
	}
	if (s->typing) {
		type(s, key);
	} else {
		if (key == 'q')
			return false;
		if (key == '/')
			s->typing = true;
		if (key == 'n')
			s->rows->sort = CTL_TOPROW_BY_NAME;
		for (unsigned i = 0; i < CTL_TOPROW_COLUMNS; i++)
			if (key == ctl_toprow_columns[i].key)
				s->rows->sort = i;
		on_move(s, key);
	}
	ctl_toprow_sort(s->rows);
	return true;
}

/* --- the loop --- */

/* False: the terminal is one that can't be used. */
static bool begin(struct screen *s)
{
	(void)setlocale(LC_CTYPE, "");
	(void)unsetenv("COLUMNS"); /* curses would believe them for ever */
	(void)unsetenv("LINES");
	if (!newterm(NULL, stdout, stdin)) /* initscr(3) would exit */
		return false;
	s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	s->blocks = s->utf8 && strcmp(termname(), "linux") != 0; /* its fonts have half of them */
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, true);
	(void)curs_set(0);
	(void)set_escdelay(100);
	if (s->ctl->colour && has_colors()) {
		(void)start_color();
		(void)use_default_colors();
		(void)init_pair(CPU_PAIR, COLORS >= 256 ? 33 : COLOR_CYAN, -1);
		(void)init_pair(MEM_PAIR, COLORS >= 256 ? 208 : COLOR_YELLOW, -1);
	}
	return true;
}

static bool is_hung_up(void)
{
	struct pollfd p = { .fd = STDIN_FILENO };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void next_sample(struct screen *s)
{
	s->lost = (struct err){};
	s->is_lost = ctl_toprow_sample(s->rows, s->ctl, &s->lost) != CTL_OK;
}

enum ctl_exit ctl_topscreen_run(const struct ctl *ctl, struct ctl_toprows *t, struct err *err)
{
	struct screen s = { .ctl = ctl, .rows = t };
	enum ctl_exit e = ctl_toprow_sample(t, ctl, err);
	int64_t next_ms = clock_ms(CLOCK_MONOTONIC) + CTL_TOPROW_INTERVAL_MS;
	int key;

	if (e != CTL_OK)
		return e;
	if (!begin(&s))
		return err_set(err, -ENOTTY, ERR_INTERNAL, "TERM", "this terminal can't be used"),
		       CTL_FAILED;
	do {
		draw(&s);
		timeout((int)MAX_OF(next_ms - clock_ms(CLOCK_MONOTONIC), 0));
		key = getch();
		if (clock_ms(CLOCK_MONOTONIC) >= next_ms) {
			next_sample(&s);
			next_ms = clock_ms(CLOCK_MONOTONIC) + CTL_TOPROW_INTERVAL_MS;
		}
	} while (key == ERR ? !is_hung_up() : on_key(&s, key));
	(void)endwin();
	return CTL_OK;
}
