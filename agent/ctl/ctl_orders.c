/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl orders: the journal, newest last, so that a terminal ends with what just happened. */
#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_text.h"
#include "proto/jsonx.h"

#define LINES_DEFAULT 20
#define LINES_MAX     1000 /* the agent gives no more at once */

/* A number, or "-" where there is none. */
static void add_number(struct ctl_text *t, const json_t *v, const char *key)
{
	const json_t *n = json_object_get(v, key);

	if (json_is_integer(n))
		ctl_text_number(t, json_integer_value(n));
	else
		ctl_text_cell(t, NULL, CTL_DIM);
}

static void add_duration(struct ctl_text *t, const json_t *v)
{
	const json_t *from = json_object_get(v, "started_ms"),
		     *to = json_object_get(v, "finished_ms");
	char text[CTL_TEXT_MAX];

	if (json_is_integer(from) && json_is_integer(to))
		ctl_text_cell(t,
			ctl_text_duration(json_integer_value(to) - json_integer_value(from), text),
			CTL_PLAIN);
	else
		ctl_text_cell(t, NULL, CTL_DIM);
}

static void add_error(struct ctl_text *t, const json_t *error)
{
	const char *code = ctl_text_of(error, "code"), *message = ctl_text_of(error, "message");
	_cleanup_(freep) char *text =
		xasprintf("%s%s%s", code ? code : "", message ? ": " : "", message ? message : "");

	ctl_text_cell(t, text, *text ? CTL_RED : CTL_DIM);
}

static void print_orders(const struct ctl *ctl, const json_t *list)
{
	static const char *const heads[] = { "ROW", "SEQ", "ORDER", "OP", "CONTAINER", "STATE",
		"TRIES", "RECEIVED", "TOOK", "ORIGIN", "ERROR" };
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(heads, countof(heads));

	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *o = json_array_get(list, i);
		const char *state = ctl_text_of(o, "state");
		char text[CTL_TEXT_MAX];

		add_number(t, o, "row");
		add_number(t, o, "seq");
		ctl_text_cell(t, ctl_text_of(o, "order_id"), CTL_PLAIN);
		ctl_text_cell(t, ctl_text_of(o, "op"), CTL_PLAIN);
		ctl_text_cell(t, ctl_text_of(o, "container_id"), CTL_PLAIN);
		ctl_text_cell(t, state, ctl_text_colour_of(state));
		add_number(t, o, "attempts");
		ctl_text_cell(t,
			ctl_text_time(json_integer_value(json_object_get(o, "received_ms")), text),
			CTL_PLAIN);
		add_duration(t, o);
		ctl_text_cell(t, ctl_text_of(o, "origin"), CTL_PLAIN);
		add_error(t, json_object_get(o, "error"));
	}
	ctl_text_print(t, stdout, ctl->colour);
}

static int parse_lines(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	if (!text) {
		*ret = LINES_DEFAULT;
		return 0;
	}
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n < 1 || n > LINES_MAX)
		return -EINVAL;
	*ret = n;
	return 0;
}

enum ctl_exit ctl_orders(const struct ctl *ctl, struct err *err)
{
	enum ctl_exit e;
	_cleanup_json_ json_t *v = NULL;
	uint64_t lines;

	if (parse_lines(ctl->lines, &lines) < 0) {
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--lines",
			"--lines: want a number from 1 to %d", LINES_MAX);
		return CTL_USAGE;
	}
	e = ctl_ask(ctl, FRAME_CTL_ORDERS, lines, &v, err);
	if (e != CTL_OK)
		return e;
	if (ctl->json)
		ctl_out_json(v);
	else
		print_orders(ctl, json_object_get(v, "orders"));
	return CTL_OK;
}
