/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events (hoody-api.md section 21): history, and live. */
#include "agent/api/api_handlers.h"
#include "agent/state/history.h"
#include "proto/jsonx.h"

#define LIST_LIMIT    50
#define LIST_MAX      500
#define RETENTION_MAX 365
#define DAY_MS        (24LL * 3600 * 1000)

static bool read_id(struct api_call *c, const char *id, int64_t *ret)
{
	if (history_id_parse(id, ret) == 0)
		return true;
	api_refuse(c, ERR_INVALID_ID, "id", "this is no id of an event");
	return false;
}

/* A client that comes back says which event it has had last (after): it gets what it has missed
 * first. */
static void follow(struct api_call *c)
{
	const char *after = api_query(c, "after");
	_cleanup_json_ json_t *missed = NULL;
	json_t *event;
	int64_t row;
	size_t i;

	if (after && !read_id(c, after, &row))
		return;
	if (after)
		missed = history_events_after(c->agent->store, row, LIST_MAX);
	if (!api_stream(c, NULL))
		return;
	json_array_foreach(missed, i, event)
		api_stream_send(c, "event", event, false);
}

void api_event_list(struct api_call *c)
{
	const char *after = api_query(c, "after");
	struct history_page page = {};
	int64_t number, total, row;
	json_t *events;

	if (c->stream) {
		follow(c);
		return;
	}
	if (!api_page(c, LIST_LIMIT, LIST_MAX, &number, &page.limit) ||
		!api_sort_order(c, &page.ascending) || (after && !read_id(c, after, &row)))
		return;
	page.offset = (number - 1) * page.limit;
	events = history_event_list(c->agent->store, &page, &total);
	if (after) {
		json_decref(events);
		events = history_events_after(c->agent->store, row, page.limit);
	}
	api_ok(c, 200, "events",
		json_pack("{s:o, s:o}", "events", events, "pagination",
			api_pagination(total, number, page.limit)));
}

void api_event_stats(struct api_call *c)
{
	api_ok(c, 200, "event statistics", history_event_stats(c->agent->store));
}

void api_event_get(struct api_call *c)
{
	json_t *event;
	int64_t row;

	if (!read_id(c, c->args[0], &row))
		return;
	event = history_event(c->agent->store, row);
	if (event)
		api_ok(c, 200, "event", event);
	else
		api_refuse(c, ERR_NOT_FOUND, "id", "there is no event %s", c->args[0]);
}

static void removed(struct api_call *c, int64_t n)
{
	api_ok(c, 200, "deleted", json_pack("{s:I}", "deleted_count", (json_int_t)n));
}

void api_event_delete(struct api_call *c)
{
	int64_t row, n;

	if (!read_id(c, c->args[0], &row))
		return;
	n = history_remove_events(c->agent->store, row, 0, NULL);
	if (n > 0)
		removed(c, n);
	else
		api_refuse(c, ERR_NOT_FOUND, "id", "there is no event %s", c->args[0]);
}

/* Without a filter the public call deletes nothing by accident: all is asked for by
 * {"all":true}. */
void api_event_delete_all(struct api_call *c)
{
	const json_t *before = json_object_get(c->body, "before");
	const char *type = json_string_value(json_object_get(c->body, "event_type"));
	int64_t ms = 0;

	if (before &&
		(!json_is_string(before) || ident_time_parse(json_string_value(before), &ms) < 0)) {
		api_refuse(c, ERR_INVALID_PARAMS, "before", "before must be a UTC time");
		return;
	}
	if (!before && !type && !json_is_true(json_object_get(c->body, "all"))) {
		removed(c, 0);
		return;
	}
	removed(c, history_remove_events(c->agent->store, 0, ms, type));
}

void api_event_cleanup(struct api_call *c)
{
	const json_t *days = json_object_get(c->body, "retention_days");

	if (!json_is_integer(days) || json_integer_value(days) < 1 ||
		json_integer_value(days) > RETENTION_MAX) {
		api_refuse(c, ERR_INVALID_PARAMS, "retention_days",
			"retention_days must be a number from 1 to %d", RETENTION_MAX);
		return;
	}
	removed(c, history_remove_events(c->agent->store, 0,
			   agent_now_ms() - json_integer_value(days) * DAY_MS, NULL));
}
