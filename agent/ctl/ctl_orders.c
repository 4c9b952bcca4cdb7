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

enum ctl_exit ctl_orders(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	unsigned lines = 0;
	enum ctl_exit e = ctl_show_count(ctl, LINES_DEFAULT, LINES_MAX, &lines, err);
	json_t *rows;

	if (e == CTL_OK)
		e = ctl_ask(ctl, FRAME_CTL_ORDERS, lines, &v, err);
	if (e != CTL_OK)
		return e;
	rows = json_object_get(v, "orders");
	e = ctl->json ? ctl_show_pick(ctl, ctl_views_of("orders"), rows, err)
		      : print_orders(ctl, rows, err);
	if (e != CTL_OK)
		return e;
	if (ctl->json)
		ctl_out_json(v);
	ctl_show_rest(lines, LINES_MAX, json_integer_value(json_object_get(v, "total")));
	return CTL_OK;
}
