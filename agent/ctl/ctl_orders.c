/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl orders: the journal, newest last, so that a terminal ends with what just happened. */
#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_views.h"
#include "proto/jsonx.h"

#define LINES_DEFAULT 20
#define LINES_MAX     1000 /* the agent gives no more at once */

/* The newest last. */
static enum ctl_exit print_orders(const struct ctl *ctl, const json_t *newest, struct err *err)
{
	_cleanup_json_ json_t *rows = json_array();

	for (size_t i = json_array_size(newest); i-- > 0;)
		(void)json_array_append(rows, json_array_get(newest, i));
	return ctl_show_rows(ctl, ctl_views_of("orders"), rows, err);
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
	if (!ctl->json)
		return print_orders(ctl, json_object_get(v, "orders"), err);
	ctl_out_json(v);
	return CTL_OK;
}
