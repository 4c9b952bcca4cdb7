/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl status: what the agent says of itself, as one screen. */
#include <inttypes.h>
#include <stdarg.h>

#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_views.h"
#include "proto/jsonx.h"

#define OFFSET_TOLD_MS 2000

static int64_t number_of(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

static void line(struct ctl_text *t, const char *name, enum ctl_colour colour, const char *fmt, ...)
	_printf_(4, 5);
static void line(struct ctl_text *t, const char *name, enum ctl_colour colour, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_text_cell(t, name, CTL_BOLD);
	ctl_text_cell(t, text, colour);
}

static void add_control(struct ctl_text *t, const json_t *control)
{
	const json_t *offset = json_object_get(json_object_get(control, "clock"), "offset_ms");
	const char *state = ctl_text_of(control, "state"),
		   *error = ctl_text_of(control, "last_error");
	int64_t http = number_of(control, "last_http_status");

	if (state && strcmp(state, "standalone") == 0) {
		line(t, "Control", CTL_DIM, "standalone: no Control.ApiUrl is set");
		return;
	}
	line(t, "Control", ctl_text_colour_of(state), "%s: %s",
		ctl_text_or_dash(ctl_text_of(control, "url")), ctl_text_or_dash(state));
	if (error && *error && http > 0)
		line(t, "", CTL_RED, "last error: %s (HTTP %" PRId64 ")", error, http);
	else if (error && *error)
		line(t, "", CTL_RED, "last error: %s", error);
	if (json_is_integer(offset) && llabs(json_integer_value(offset)) >= OFFSET_TOLD_MS)
		line(t, "Clock", CTL_RED, "%.1f s off the control API's",
			(double)-json_integer_value(offset) / 1000);
	line(t, "Orders had", CTL_PLAIN, "up to %" PRId64 " of %" PRId64,
		number_of(control, "after"), number_of(control, "head_seq"));
}

static void print_node(const struct ctl *ctl, const json_t *v)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);
	const json_t *orders = json_object_get(v, "orders"), *outbox = json_object_get(v, "outbox");
	const json_t *commit = json_object_get(v, "commit_us"), *pool = json_object_get(v, "pool");
	char a[CTL_TEXT_MAX], b[CTL_TEXT_MAX];
	const char *id = ctl_text_of(v, "node_id");

	line(t, "Node", CTL_PLAIN, "%s%s%s%s", ctl_text_or_dash(ctl_text_of(v, "name")),
		id && *id ? " (" : "", id ? id : "", id && *id ? ")" : "");
	line(t, "Agent", CTL_PLAIN, "%s, %s for %s, %s of memory",
		ctl_text_or_dash(ctl_text_of(v, "version")),
		ctl_text_or_dash(ctl_text_of(v, "state")),
		ctl_text_duration(number_of(v, "uptime_ms"), a),
		ctl_text_size(number_of(v, "rss_bytes"), b));
	add_control(t, json_object_get(v, "control"));
	line(t, "Orders", CTL_PLAIN,
		"%" PRId64 " waiting, %" PRId64 " running, %" PRId64 " succeeded, %" PRId64
		" failed, %" PRId64 " rejected",
		number_of(orders, "accepted"), number_of(orders, "running"),
		number_of(orders, "succeeded"), number_of(orders, "failed"),
		number_of(orders, "rejected"));
	line(t, "Outbox", CTL_PLAIN, "%" PRId64 " report%s to deliver, %s",
		number_of(outbox, "reports"), ctl_text_s(number_of(outbox, "reports")),
		ctl_text_size(number_of(outbox, "bytes"), a));
	line(t, "Saving", CTL_PLAIN, "%s for the last change, %s at most",
		ctl_text_micro(number_of(commit, "last"), a),
		ctl_text_micro(number_of(commit, "max"), b));
	line(t, "Pool", CTL_PLAIN, "%s, %s free of %s",
		ctl_text_or_dash(ctl_text_of(pool, "driver")),
		ctl_text_size(number_of(pool, "free_bytes"), a),
		ctl_text_size(number_of(pool, "total_bytes"), b));
	ctl_text_print(t, stdout, ctl->colour);
}

enum ctl_exit ctl_status(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	enum ctl_exit e = ctl_ask(ctl, FRAME_CTL_STATUS, 0, &v, err);

	if (e != CTL_OK)
		return e;
	if (ctl->json) {
		ctl_out_json(v);
		return CTL_OK;
	}
	print_node(ctl, v);
	if (json_array_size(json_object_get(v, "containers")) == 0)
		return CTL_OK;
	putchar('\n');
	return ctl_show_rows(ctl, ctl_views_of("status"), json_object_get(v, "containers"), err);
}
