/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the local API answers, for people: a list is a table of columns, an object lines of a name
 * and a value; or ids only, or JSON in the API's own words, as the options say. Columns and lines
 * are tables: what is shown of which command stands in ctl_views.c. */
#pragma once

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_value.h"

struct ctl_column {
	const char *head, *member; /* "a.b.0": of inner objects and lists */
	enum ctl_kind kind;
	enum { CTL_ALWAYS, CTL_SPARE, CTL_WIDE } when; /* spare: where there is room; -o wide */
};

struct ctl_line {
	const char *name, *member;
	enum ctl_kind kind;
	char *(*say)(const struct ctl *ctl, const json_t *v); /* of the member; instead of a kind */
};

struct ctl_view {
	const char *command;
	const struct ctl_column *columns; /* of a list; the first with CTL_ID is what -q prints */
	size_t n_columns;
	const struct ctl_line *lines; /* of an object: lines without a value are left out */
	size_t n_lines;
	const char *none; /* what is said of an empty list */
	const char *sort; /* by which column unless --sort says; NULL: as the agent has them */
	/* Adds what the API answers elsewhere to each row as its member CTL_MORE, for people alone;
	 * NULL: nothing. */
	enum ctl_exit (*more)(const struct ctl *ctl, json_t *rows, struct err *err);
	/* Prints an object that takes more than lines; NULL: lines do. */
	enum ctl_exit (*show)(
		const struct ctl *ctl, const char *path, const json_t *data, struct err *err);
};
#define CTL_MORE "more"

/* All rows of a list, page after page; @name is the list's member. */
enum ctl_exit ctl_show_list(const struct ctl *ctl, const struct ctl_view *view, const char *path,
	const char *name, struct err *err);
/* Only the newest: as many as --lines says, else @preset; and how many there are besides. */
enum ctl_exit ctl_show_newest(const struct ctl *ctl, const struct ctl_view *view, const char *path,
	const char *name, unsigned preset, struct err *err);
enum ctl_exit ctl_show_object(
	const struct ctl *ctl, const struct ctl_view *view, const char *path, struct err *err);

/* The parts of it. */
/* --lines: a number from 1 to @most, or @preset. */
enum ctl_exit ctl_show_count(
	const struct ctl *ctl, unsigned preset, unsigned most, unsigned *ret, struct err *err);
/* On standard error, since whatever stands on the other is for programs too: @asked of @total. */
void ctl_show_rest(unsigned asked, unsigned most, int64_t total);
/* Leaves those that fit the filter, in their order. */
enum ctl_exit ctl_show_pick(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err);
enum ctl_exit ctl_show_rows(
	const struct ctl *ctl, const struct ctl_view *view, json_t *rows, struct err *err);
void ctl_show_lines(const struct ctl *ctl, const struct ctl_line *lines, size_t n, const json_t *v,
	struct ctl_text *t);
/* One more line: @value_steals may be NULL, for none. */
void ctl_show_line(
	struct ctl_text *t, const char *name, char *value_steals, enum ctl_colour colour);

/* Again and again, until interrupted: --watch. */
enum ctl_exit ctl_show_watched(const struct ctl *ctl,
	enum ctl_exit (*run)(const struct ctl *ctl, struct err *err), struct err *err);
