/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hoodyctl top shows: a row for each container, of the newest sample of the local API and the
 * one before, with the lines of its processors and memory; and the node's. */
#pragma once

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_spark.h"
#include "agent/ctl/ctl_text.h"

#define CTL_TOPROW_INTERVAL_MS 1000
#define CTL_TOPROW_FILTER_MAX  40
#define CTL_TOPROW_CPU_LEAST   12.5 /* the least scale of a line: % of a core */
#define CTL_TOPROW_MEM_LEAST   (1024.0 * 1024)

/* What only grows, and is shown as a rate. */
enum ctl_topcount { CTL_CPU_NS, CTL_RECEIVED, CTL_SENT, CTL_READ, CTL_WRITTEN, CTL_TOPCOUNTS };

struct ctl_toprow {
	const char *id, *name, *status;                   /* borrowed from the sample */
	double count[CTL_TOPCOUNTS], rate[CTL_TOPCOUNTS]; /* NAN, here and below: not known */
	double memory, memory_pct, processes, disk;
	struct ctl_spark cpu_line, memory_line;
};

struct ctl_toprows {
	json_t *sample;
	int64_t sample_ms;
	struct ctl_toprow *all; /* by id */
	size_t n_all;
	const struct ctl_toprow **shown; /* those that pass the filter, sorted; of @all */
	size_t n;
	unsigned sort; /* a column, or CTL_TOPROW_BY_NAME */
	char filter[CTL_TOPROW_FILTER_MAX];
	struct ctl_spark cpu_line, memory_line; /* the node's */
};

struct ctl_topcolumn {
	const char *head;
	int key; /* sorts by it */
	double (*value)(const struct ctl_toprow *r);
	void (*text)(double value, char ret[static CTL_TEXT_MAX]); /* of what is known */
	int width;                                                 /* on a screen */
	unsigned rank; /* the higher ones go first where there is no room */
};
#define CTL_TOPROW_COLUMNS 9
#define CTL_TOPROW_BY_NAME CTL_TOPROW_COLUMNS
#define CTL_TOPROW_SPARE   4 /* the rank from which on tables do without */
extern const struct ctl_topcolumn ctl_toprow_columns[CTL_TOPROW_COLUMNS];

/* "-" where it isn't known. */
void ctl_toprow_cell(const struct ctl_toprow *r, size_t column, char ret[static CTL_TEXT_MAX]);

/* Ask the agent. What fails leaves the rows as they were, with a gap in every line. What isn't in
 * the newest sample is forgotten, its lines too. */
enum ctl_exit ctl_toprow_sample(struct ctl_toprows *t, const struct ctl *ctl, struct err *err);
/* After the filter or the order has changed. */
void ctl_toprow_sort(struct ctl_toprows *t);
void ctl_toprow_done(struct ctl_toprows *t);

/* @v's number, or that of its object @a; NAN where there is none. */
double ctl_toprow_at(const json_t *v, const char *a, const char *b);
