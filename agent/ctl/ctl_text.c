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

#include <time.h>

#include "proto/err.h"

struct cell {
	char *text;
	enum ctl_colour colour;
	bool right;
};

struct ctl_text {
	size_t columns, n, room;
	bool has_heads;
	struct cell *cells;
};

/* Columns on a terminal: code points, which is right for what names may hold. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
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

bool ctl_text_wants_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* --- tables --- */

struct ctl_text *ctl_text_new(const char *const *heads, size_t columns)
{
	struct ctl_text *t = xcalloc(1, sizeof(*t));

	assert(columns > 0 && columns <= CTL_TEXT_COLUMNS_MAX);
	t->columns = columns;
	t->has_heads = heads;
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

void ctl_text_print(const struct ctl_text *t, FILE *f, bool colour)
{
	size_t widths[CTL_TEXT_COLUMNS_MAX] = { 0 };
	bool right[CTL_TEXT_COLUMNS_MAX] = { false };

	assert(t->n % t->columns == 0);
	for (size_t i = 0; i < t->n; i++) {
		widths[i % t->columns] = MAX_OF(widths[i % t->columns], width_of(t->cells[i].text));
		right[i % t->columns] |= t->cells[i].right; /* heads and "-" follow the numbers */
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;

		print_cell(&t->cells[i], widths[column], right[column], column + 1 == t->columns, f,
			colour);
	}
}

/* --- numbers --- */

const char *ctl_text_size(int64_t bytes, char ret[static CTL_TEXT_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < countof(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(
		ret, CTL_TEXT_MAX, "%.*f %s", unit && value < 100 ? 1 : 0, value, units[unit]);
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

const char *ctl_text_time(int64_t ms, char ret[static CTL_TEXT_MAX])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	if (!localtime_r(&s, &tm) || strftime(ret, CTL_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(ret, CTL_TEXT_MAX, "%lld", (long long)ms);
	return ret;
}
