/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl top: what every container uses, live. On a terminal ctl_topscreen.c shows it; where
 * there is none, or for JSON, two samples are taken and one table is printed. Nothing is asked of
 * containers or cgroups from here. */
#include <math.h>
#include <poll.h>

#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_toprow.h"
#include "agent/ctl/ctl_topscreen.h"
#include "proto/jsonx.h"

static void print_table(const struct ctl *ctl, const struct ctl_toprows *t)
{
	const char *heads[CTL_TOPROW_COLUMNS + 3] = { "CONTAINER", "NAME", "STATUS" };
	struct ctl_text *text;

	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++)
		heads[i + 3] = ctl_toprow_columns[i].head;
	text = ctl_text_new(heads, countof(heads));
	ctl_text_fit(text, 0, CTL_FIT_ID);
	ctl_text_fit(text, 1, CTL_FIT_TEXT);
	for (size_t i = 0; i < CTL_TOPROW_COLUMNS; i++)
		if (ctl_toprow_columns[i].rank >= CTL_TOPROW_SPARE)
			ctl_text_fit(text, i + 3, CTL_FIT_SPARE);
	for (size_t i = 0; i < t->n; i++) {
		ctl_text_cell(text, t->shown[i]->id, CTL_PLAIN);
		ctl_text_cell(text, t->shown[i]->name, CTL_PLAIN);
		ctl_text_cell(text, t->shown[i]->status, CTL_PLAIN);
		for (size_t k = 0; k < CTL_TOPROW_COLUMNS; k++) {
			char cell[CTL_TEXT_MAX];

			ctl_toprow_cell(t->shown[i], k, cell);
			ctl_text_right(text, cell, CTL_PLAIN);
		}
	}
	ctl_text_print(text, stdout, ctl->colour);
	ctl_text_free(text);
}

/* As people write it: @scale 10 leaves one digit behind the point. */
static json_t *rounded(double value, double scale)
{
	return jsonx_number(isnan(value) ? 0 : (double)(int64_t)(value * scale + 0.5) / scale);
}

static json_t *row_json(const struct ctl_toprow *r)
{
	json_t *v = json_object();

	jsonx_set_string(v, "id", r->id);
	jsonx_set_string(v, "name", r->name);
	jsonx_set_string(v, "status", r->status);
	jsonx_set(v, "cpu_percent", rounded(ctl_toprow_columns[0].value(r), 10));
	jsonx_set(v, "memory_bytes", rounded(r->memory, 1));
	jsonx_set(v, "processes", rounded(r->processes, 1));
	jsonx_set(v, "received_bytes_per_second", rounded(r->rate[CTL_RECEIVED], 1));
	jsonx_set(v, "sent_bytes_per_second", rounded(r->rate[CTL_SENT], 1));
	return v;
}

static void print_json(const struct ctl_toprows *t)
{
	_cleanup_json_ json_t *list = json_array();

	for (size_t i = 0; i < t->n; i++)
		(void)json_array_append_new(list, row_json(t->shown[i]));
	ctl_out_json(list);
}

static enum ctl_exit once(const struct ctl *ctl, struct ctl_toprows *t, struct err *err)
{
	enum ctl_exit e = ctl_toprow_sample(t, ctl, err);

	if (e == CTL_OK) {
		(void)poll(NULL, 0, CTL_TOPROW_INTERVAL_MS);
		e = ctl_toprow_sample(t, ctl, err);
	}
	if (e != CTL_OK)
		return e;
	if (ctl->json)
		print_json(t);
	else
		print_table(ctl, t);
	return CTL_OK;
}

enum ctl_exit ctl_top(const struct ctl *ctl, struct err *err)
{
	struct ctl_toprows t = {};
	bool screen = !ctl->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	enum ctl_exit e = screen ? ctl_topscreen_run(ctl, &t, err) : once(ctl, &t, err);

	ctl_toprow_done(&t);
	return e;
}
