/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of samples. Both samples' rows are in the order of their ids, so that what a row goes on
 * from, its counters and its lines, is found in one walk along both; a press of a key filters and
 * sorts what is there. Memory is that of the newest sample's containers, whose number the bound on
 * an answer bounds (ctl_http.c). */
#include "agent/ctl/ctl_toprow.h"

#include <math.h>

#include "agent/ctl/ctl_http.h"
#include "proto/clock.h"
#include "proto/err.h"

#define NS_PER_PERCENT 10000000.0 /* of a second of a processor */

double ctl_toprow_at(const json_t *v, const char *a, const char *b)
{
	const json_t *member = json_object_get(v, a);

	member = b ? json_object_get(member, b) : member;
	return json_is_number(member) ? json_number_value(member) : NAN;
}

static double traffic(const json_t *v, const char *key)
{
	return ctl_toprow_at(json_array_get(json_object_get(v, "network"), 0), "counters", key);
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
	return status ? status : "";
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static struct ctl_toprow row_of(const json_t *v)
{
	struct ctl_toprow r = {
		.id = or_empty(ctl_text_of(v, "id")),
		.name = or_empty(ctl_text_of(v, "name")),
		.status = state_of(v),
		.count = {
			[CTL_CPU_NS] = ctl_toprow_at(v, "cpu", "usage"),
			[CTL_RECEIVED] = traffic(v, "bytes_received"),
			[CTL_SENT] = traffic(v, "bytes_sent"),
			[CTL_READ] = ctl_toprow_at(v, "io", "read_bytes"),
			[CTL_WRITTEN] = ctl_toprow_at(v, "io", "write_bytes"),
		},
		.memory = ctl_toprow_at(v, "memory", "usage"),
		.memory_pct = ctl_toprow_at(v, "memory", "usage_percent"),
		.processes = ctl_toprow_at(v, "processes", NULL),
		.disk = ctl_toprow_at(json_object_get(v, "disk"), "root", "usage"),
	};

	for (size_t i = 0; i < CTL_TOPCOUNTS; i++)
		r.rate[i] = NAN;
	return r;
}

/* A counter that went back was begun anew. */
static void go_on(struct ctl_toprow *r, const struct ctl_toprow *before, double seconds)
{
	for (size_t i = 0; i < CTL_TOPCOUNTS; i++)
		if (seconds > 0 && r->count[i] >= before->count[i])
			r->rate[i] = (r->count[i] - before->count[i]) / seconds;
	r->cpu_line = before->cpu_line;
	r->memory_line = before->memory_line;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct ctl_toprow *)a)->id, ((const struct ctl_toprow *)b)->id);
}

static double cpu(const struct ctl_toprow *r);

static void take_over(struct ctl_toprows *t, struct ctl_toprow *rows, size_t n, double seconds)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		while (k < t->n_all && by_id(&t->all[k], &rows[i]) < 0)
			k++;
		if (k < t->n_all && by_id(&t->all[k], &rows[i]) == 0)
			go_on(&rows[i], &t->all[k], seconds);
		ctl_spark_add(&rows[i].cpu_line, cpu(&rows[i]));
		ctl_spark_add(&rows[i].memory_line, rows[i].memory);
	}
}

static void gap(struct ctl_toprows *t)
{
	for (size_t i = 0; i < t->n_all; i++) {
		ctl_spark_add(&t->all[i].cpu_line, NAN);
		ctl_spark_add(&t->all[i].memory_line, NAN);
	}
	ctl_spark_add(&t->cpu_line, NAN);
	ctl_spark_add(&t->memory_line, NAN);
}

static void change_over(struct ctl_toprows *t, json_t *sample_steals)
{
	const json_t *list = json_object_get(sample_steals, "containers"),
		     *node = json_object_get(sample_steals, "node");
	size_t n = json_array_size(list);
	struct ctl_toprow *rows = xcalloc(n + 1, sizeof(*rows));
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	for (size_t i = 0; i < n; i++)
		rows[i] = row_of(json_array_get(list, i));
	qsort(rows, n, sizeof(*rows), by_id);
	take_over(t, rows, n, t->sample ? (double)(now_ms - t->sample_ms) / 1000 : 0);
	free(t->all);
	t->all = rows;
	t->n_all = n;
	json_decref(t->sample);
	t->sample = sample_steals;
	t->sample_ms = now_ms;
	ctl_spark_add(&t->cpu_line, ctl_toprow_at(node, "cpu", "busy_pct"));
	ctl_spark_add(&t->memory_line, ctl_toprow_at(node, "mem", "used_bytes"));
	ctl_toprow_sort(t);
}

enum ctl_exit ctl_toprow_sample(struct ctl_toprows *t, const struct ctl *ctl, struct err *err)
{
	json_t *v = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", "/stats", NULL, false, &v, err);

	if (e == CTL_OK)
		change_over(t, v);
	else
		gap(t);
	return e;
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

#define COLUMN(function_, value_)                           \
	static double function_(const struct ctl_toprow *r) \
	{                                                   \
		return value_;                              \
	}
COLUMN(cpu, r->rate[CTL_CPU_NS] / NS_PER_PERCENT)
COLUMN(memory, r->memory)
COLUMN(memory_pct, r->memory_pct)
COLUMN(processes, r->processes)
COLUMN(received, r->rate[CTL_RECEIVED])
COLUMN(sent, r->rate[CTL_SENT])
COLUMN(bytes_read, r->rate[CTL_READ])
COLUMN(bytes_written, r->rate[CTL_WRITTEN])
COLUMN(disk, r->disk)

const struct ctl_topcolumn ctl_toprow_columns[CTL_TOPROW_COLUMNS] = {
	{ "CPU%", 'c', cpu, percent_text, 6, 0 },
	{ "MEMORY", 'm', memory, size_text, 9, 1 },
	{ "MEM%", 'M', memory_pct, percent_text, 6, 4 },
	{ "PROCS", 'p', processes, number_text, 6, 5 },
	{ "RX/s", 'r', received, size_text, 9, 2 },
	{ "TX/s", 't', sent, size_text, 9, 3 },
	{ "READ/s", 'R', bytes_read, size_text, 9, 7 },
	{ "WRITE/s", 'W', bytes_written, size_text, 9, 8 },
	{ "DISK", 'd', disk, size_text, 9, 6 },
};

void ctl_toprow_cell(const struct ctl_toprow *r, size_t column, char ret[static CTL_TEXT_MAX])
{
	double value = ctl_toprow_columns[column].value(r);

	if (isnan(value))
		(void)snprintf(ret, CTL_TEXT_MAX, "-");
	else
		ctl_toprow_columns[column].text(value, ret);
}

/* --- filter and order --- */

static bool passes(const struct ctl_toprows *t, const struct ctl_toprow *r)
{
	return !*t->filter || strcasestr(r->name, t->filter) ||
	       strncmp(r->id, t->filter, strlen(t->filter)) == 0 ||
	       strcasestr(r->status, t->filter);
}

/* The highest first; what isn't known last. */
static int compare(const void *a, const void *b, void *userdata)
{
	const struct ctl_toprow *x = *(const struct ctl_toprow *const *)a,
				*y = *(const struct ctl_toprow *const *)b;
	const struct ctl_toprows *t = userdata;

	if (t->sort < CTL_TOPROW_COLUMNS) {
		double p = fmax(ctl_toprow_columns[t->sort].value(x), -1),
		       q = fmax(ctl_toprow_columns[t->sort].value(y), -1);

		if (p > q || p < q)
			return p < q ? 1 : -1;
	}
	return strcmp(x->name, y->name);
}

void ctl_toprow_sort(struct ctl_toprows *t)
{
	free(t->shown);
	t->shown = xcalloc(t->n_all + 1, sizeof(*t->shown));
	t->n = 0;
	for (size_t i = 0; i < t->n_all; i++)
		if (passes(t, &t->all[i]))
			t->shown[t->n++] = &t->all[i];
	qsort_r(t->shown, t->n, sizeof(*t->shown), compare, t);
}

void ctl_toprow_done(struct ctl_toprows *t)
{
	json_decref(t->sample);
	free(t->all);
	free(t->shown);
}
