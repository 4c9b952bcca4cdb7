/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people. A table is a list of cells, row by row, of which each column's width is known
 * when all have come: so it is printed at the end. Each cell is made printable as it is added,
 * whatever container or API it comes from: no control character and no broken UTF-8 reaches the
 * terminal.
 *
 * Colours belong to words and columns of numbers stand to the right, heads too. A width is a
 * number of code points, which is right for what names may hold and wrong for wide characters.
 * Sizes, durations and times are written into the caller's buffer. */
#include "agent/ctl/ctl_text.h"

#include <sys/ioctl.h>

#include "proto/err.h"

#define GAP        2
#define ID_LEAST   12
#define TEXT_LEAST 16
#define TEXT_FLOOR 6
#define WRAP_LEAST 24
#define WRAP_FLOOR 16
#define BAR_WIDTH  20

struct cell {
	char *text;
	enum ctl_colour colour;
	bool right;
};

struct ctl_text {
	size_t columns, n, room;
	bool has_heads;
	struct cell *cells;
	enum ctl_fit fit[CTL_TEXT_COLUMNS_MAX];
	size_t widths[CTL_TEXT_COLUMNS_MAX]; /* 0: left out */
};

/* Columns on a terminal: code points, which is right for what names may hold. */
static size_t width_of_part(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static size_t width_of(const char *s)
{
	return width_of_part(s, strlen(s));
}

/* Bytes of the first @width characters. */
static size_t size_of_part(const char *s, size_t width)
{
	size_t n = 0, i;

	for (i = 0; s[i]; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80 && n++ == width)
			break;
	return i;
}

/* --- colours --- */

static const char *const escapes[] = {
	[CTL_PLAIN] = "",
	[CTL_BOLD] = "\033[1m",
	[CTL_DIM] = "\033[2m",
	[CTL_GREEN] = "\033[32m",
	[CTL_YELLOW] = "\033[33m",
	[CTL_RED] = "\033[31m",
};

enum ctl_colour ctl_text_colour_of(const char *word)
{
	static const struct {
		const char *word;
		enum ctl_colour colour;
	} words[] = {
		{ "running", CTL_GREEN },
		{ "succeeded", CTL_GREEN },
		{ "connected", CTL_GREEN },
		{ "failed", CTL_RED },
		{ "rejected", CTL_RED },
		{ "backing-off", CTL_YELLOW },
		{ "paused", CTL_YELLOW },
		{ "accepted", CTL_YELLOW },
		{ "creating", CTL_YELLOW },
		{ "copying", CTL_YELLOW },
		{ "deleting", CTL_YELLOW },
		{ "stopped", CTL_DIM },
		{ "standalone", CTL_DIM },
	};

	for (size_t i = 0; word && i < countof(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].colour;
	return CTL_PLAIN;
}

bool ctl_text_wants_colour(int fd, const char *wish)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (wish && strcmp(wish, "auto") != 0)
		return strcmp(wish, "always") == 0;
	return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* --- tables --- */

struct ctl_text *ctl_text_new(const char *const *heads, size_t columns)
{
	struct ctl_text *t = xcalloc(1, sizeof(*t));

	assert(columns > 0 && columns <= CTL_TEXT_COLUMNS_MAX);
	t->columns = columns;
	t->has_heads = heads;
	if (!heads)
		t->fit[columns - 1] = CTL_FIT_WRAP;
	for (size_t i = 0; heads && i < columns; i++)
		ctl_text_cell(t, heads[i], CTL_BOLD);
	return t;
}

struct ctl_text *ctl_text_free(struct ctl_text *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
	return NULL;
}

static struct cell *add(struct ctl_text *t, const char *text)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = xrealloc(t->cells, t->room, sizeof(*t->cells));
	}
	t->cells[t->n] =
		(struct cell){ .text = xstrdup(text && (*text || !t->has_heads) ? text : "-") };
	err_clean(t->cells[t->n].text);
	return &t->cells[t->n++];
}

void ctl_text_cell(struct ctl_text *t, const char *text, enum ctl_colour colour)
{
	add(t, text)->colour = colour;
}

void ctl_text_number(struct ctl_text *t, int64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	add(t, text)->right = true;
}

void ctl_text_right(struct ctl_text *t, const char *text, enum ctl_colour colour)
{
	struct cell *c = add(t, text);

	c->colour = colour;
	c->right = true;
}

void ctl_text_fit(struct ctl_text *t, size_t column, enum ctl_fit fit)
{
	t->fit[column] = fit;
}

/* --- where there is no room --- */

size_t ctl_text_room(int fd)
{
	const char *wish = getenv("COLUMNS");
	struct winsize size;
	unsigned long n = wish ? strtoul(wish, NULL, 10) : 0;

	if (n == 0 && isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	return n;
}

/* A word without room on any line goes on where one ends. */
void ctl_text_wrap(FILE *f, const char *text, size_t indent, size_t room)
{
	size_t end = room ? MAX_OF(room, indent + WRAP_FLOOR) : SIZE_MAX;
	size_t at = indent;

	while (room && *text) {
		size_t gap = strspn(text, " "), len = strcspn(text + gap, " "), width;

		text += gap;
		width = width_of_part(text, len);
		if (at > indent && at + gap + width > end) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
		} else {
			fprintf(f, "%*s", (int)gap, "");
			at += gap;
		}
		while (width > end - at) {
			size_t n = size_of_part(text, end - at);

			fprintf(f, "%.*s\n%*s", (int)n, text, (int)indent, "");
			text += n;
			len -= n;
			width -= end - at;
			at = indent;
		}
		fprintf(f, "%.*s", (int)len, text);
		at += width;
		text += len;
	}
	fprintf(f, "%s\n", text);
}

static size_t total_width(const struct ctl_text *t)
{
	size_t total = 0;

	for (size_t i = 0; i < t->columns; i++)
		total += t->widths[i] ? t->widths[i] + (total ? GAP : 0) : 0;
	return total;
}

/* Columns of the kind @fit give up what is too much, the widest first, down to @least. */
static void cut(struct ctl_text *t, size_t room, enum ctl_fit fit, size_t least)
{
	while (total_width(t) > room) {
		size_t widest = t->columns;

		for (size_t i = 0; i < t->columns; i++)
			if (t->fit[i] == fit && t->widths[i] > least &&
				(widest == t->columns || t->widths[i] > t->widths[widest]))
				widest = i;
		if (widest == t->columns)
			return;
		t->widths[widest]--;
	}
}

static void fit_all(struct ctl_text *t)
{
	size_t room = ctl_text_room(STDOUT_FILENO);

	if (room == 0)
		return;
	cut(t, room, CTL_FIT_WRAP, WRAP_LEAST);
	for (size_t i = 0; i < t->columns && total_width(t) > room; i++)
		if (t->fit[i] == CTL_FIT_ID)
			t->widths[i] = MIN_OF(t->widths[i], (size_t)ID_LEAST);
	cut(t, room, CTL_FIT_TEXT, TEXT_LEAST);
	for (size_t i = t->columns; i-- > 0 && total_width(t) > room;)
		if (t->fit[i] == CTL_FIT_SPARE)
			t->widths[i] = 0;
	cut(t, room, CTL_FIT_TEXT, TEXT_FLOOR);
	cut(t, room, CTL_FIT_WORD, TEXT_FLOOR);
}

/* The cell's first @width characters; of a text that was cut the last is a mark that it was. */
static void cut_cell(struct cell *c, size_t width, bool marked)
{
	size_t len = size_of_part(c->text, width - marked);
	char *text = xasprintf("%.*s%s", (int)len, c->text, marked ? "…" : "");

	free(c->text);
	c->text = text;
}

/* Below itself, as far to the right as it began. */
static void print_wrapped(const struct cell *c, size_t indent, size_t width, FILE *f, bool colour)
{
	bool paint = colour && c->colour != CTL_PLAIN;

	fputs(paint ? escapes[c->colour] : "", f);
	ctl_text_wrap(f, c->text, indent, indent + width);
	fputs(paint ? "\033[0m" : "", f);
}

static void print_cell(
	const struct cell *c, size_t width, bool right, bool last, FILE *f, bool colour)
{
	bool paint = colour && c->colour != CTL_PLAIN;
	size_t pad = width - width_of(c->text);

	if (right)
		fprintf(f, "%*s", (int)pad, "");
	fprintf(f, "%s%s%s", paint ? escapes[c->colour] : "", c->text, paint ? "\033[0m" : "");
	if (!right && !last)
		fprintf(f, "%*s", (int)pad, "");
	fputs(last ? "\n" : "  ", f);
}

void ctl_text_print(struct ctl_text *t, FILE *f, bool colour)
{
	bool right[CTL_TEXT_COLUMNS_MAX] = { false };
	const size_t columns = t->columns;
	size_t last = 0;

	assert(columns > 0 && t->n % columns == 0);
	memset(t->widths, 0, sizeof(t->widths));
	for (size_t i = 0; i < t->n; i++) {
		size_t *width = &t->widths[i % columns];

		*width = MAX_OF(*width, width_of(t->cells[i].text));
		right[i % columns] |= t->cells[i].right; /* heads and "-" follow the numbers */
	}
	fit_all(t);
	for (size_t i = 0; i < columns; i++)
		last = t->widths[i] ? i : last;
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % columns, width = t->widths[column];
		bool is_long = width && width_of(t->cells[i].text) > width;

		if (is_long && t->fit[column] == CTL_FIT_WRAP) {
			print_wrapped(&t->cells[i], total_width(t) - width, width, f, colour);
			continue;
		}
		if (is_long)
			cut_cell(&t->cells[i], width, t->fit[column] != CTL_FIT_ID);
		if (width || column == last)
			print_cell(&t->cells[i], width, right[column], column == last, f, colour);
	}
}

/* --- numbers --- */

const char *ctl_text_size(int64_t bytes, char ret[static CTL_TEXT_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.5 && unit + 1 < countof(units)) { /* what would read as 1024 */
		value /= 1024;
		unit++;
	}
	(void)snprintf(
		ret, CTL_TEXT_MAX, "%.*f %s", unit && value < 99.95 ? 1 : 0, value, units[unit]);
	return ret;
}

const char *ctl_text_duration(int64_t ms, char ret[static CTL_TEXT_MAX])
{
	long long s = ms / 1000;

	if (ms < 1000)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld ms", (long long)ms);
	else if (s < 60)
		(void)snprintf(ret, CTL_TEXT_MAX, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return ret;
}

const char *ctl_text_micro(int64_t us, char ret[static CTL_TEXT_MAX])
{
	(void)snprintf(ret, CTL_TEXT_MAX, "%.1f ms", (double)us / 1000);
	return ret;
}

const char *ctl_text_age(int64_t ms, char ret[static CTL_TEXT_MAX])
{
	long long s = MAX_OF(ms, 0) / 1000;

	if (s < 60)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld s", s);
	else if (s < 3600)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld min", s / 60);
	else if (s < 2LL * 86400)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld h", s / 3600);
	else
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld d", s / 86400);
	return ret;
}

/* As the per cent beside it says: nothing of 0, and all of 100 alone. */
const char *ctl_text_bar(double share, char ret[static CTL_TEXT_MAX])
{
	long percent = (long)(share * 100 + 0.5);
	long full = percent >= 100 ? BAR_WIDTH
				   : MIN_OF((percent * BAR_WIDTH + 99) / 100, BAR_WIDTH - 1L);

	ret[0] = '[';
	for (int i = 0; i < BAR_WIDTH; i++)
		ret[i + 1] = i < full ? '#' : '.';
	ret[BAR_WIDTH + 1] = ']';
	ret[BAR_WIDTH + 2] = '\0';
	return ret;
}

const char *ctl_text_real(double value, char ret[static CTL_TEXT_MAX])
{
	(void)snprintf(ret, CTL_TEXT_MAX, value < 100 ? "%.3g" : "%.0f", value);
	return ret;
}
