/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for a terminal: aligned tables, a few colours, and numbers as people read them. What comes
 * from the agent may have been written by others: control characters never reach the terminal. Pure
 * but for the FILE. */
#pragma once

#include "proto/base.h"

enum ctl_colour { CTL_PLAIN, CTL_BOLD, CTL_DIM, CTL_GREEN, CTL_YELLOW, CTL_RED };

/* The colour of a container's status, an order's state, or the control API's. */
enum ctl_colour ctl_text_colour_of(const char *word);

/* @wish, of --color: "always", "never", or NULL: when @fd is a terminal, NO_COLOR is not set
 * (no-color.org) and TERM isn't "dumb". */
bool ctl_text_wants_colour(int fd, const char *wish);

#define CTL_TEXT_COLUMNS_MAX 16

struct ctl_text;
struct ctl_text *ctl_text_new(
	const char *const *heads, size_t columns); /* @heads NULL: none, and the last one wraps */
/* Add the next cell; rows fill from the left. @text is copied; what is missing is "-" in a table.
 */
void ctl_text_cell(struct ctl_text *t, const char *text, enum ctl_colour colour);
void ctl_text_number(struct ctl_text *t, int64_t n); /* aligned to the right */
void ctl_text_right(struct ctl_text *t, const char *text, enum ctl_colour colour);
/* What a column gives up where the terminal, or COLUMNS of the environment, has no room for all, in
 * this order: the last one's text goes on in the line below, an id gives its end (the first 12
 * characters still find it), a text its end, a spare column itself, a word its end. */
enum ctl_fit { CTL_FIT_WHOLE, CTL_FIT_WRAP, CTL_FIT_ID, CTL_FIT_TEXT, CTL_FIT_SPARE, CTL_FIT_WORD };
void ctl_text_fit(struct ctl_text *t, size_t column, enum ctl_fit fit);
void ctl_text_print(struct ctl_text *t, FILE *f, bool colour);
struct ctl_text *ctl_text_free(struct ctl_text *t);
static inline void ctl_text_freep(struct ctl_text **t)
{
	*t = ctl_text_free(*t);
}

/* Columns of the terminal behind @fd, or COLUMNS of the environment; 0: nobody says. */
size_t ctl_text_room(int fd);
/* A text and the end of its line, wrapped at blanks to @room columns (0: not at all): it begins at
 * column @indent, and so do its other lines. */
void ctl_text_wrap(FILE *f, const char *text, size_t indent, size_t room);

/* What isn't known, or is empty. */
static inline const char *ctl_text_or_dash(const char *s)
{
	return s && *s ? s : "-";
}

/* The s of a plural. */
static inline const char *ctl_text_s(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* "4.2 MiB", "850 ms", "3 h 12 min". @ret holds CTL_TEXT_MAX bytes. */
#define CTL_TEXT_MAX 40
const char *ctl_text_size(int64_t bytes, char ret[static CTL_TEXT_MAX]);
const char *ctl_text_duration(int64_t ms, char ret[static CTL_TEXT_MAX]);
const char *ctl_text_micro(int64_t us, char ret[static CTL_TEXT_MAX]);
/* The largest unit alone: "38 s", "3 min", "5 h", "12 d". */
const char *ctl_text_age(int64_t ms, char ret[static CTL_TEXT_MAX]);
/* "[######..................]" of @share, 0 to 1. */
const char *ctl_text_bar(double share, char ret[static CTL_TEXT_MAX]);
/* At most as many digits as matter: "0.2", "2", "12.5". */
const char *ctl_text_real(double value, char ret[static CTL_TEXT_MAX]);
