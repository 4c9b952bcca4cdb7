/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events (hoody-api.md section 21): history, and live. */
#include "agent/api/api_handlers.h"
#include "agent/state/history.h"
#include "proto/jsonx.h"

#define FOLLOW_MAX    500
#define RETENTION_MAX 365
#define DAY_MS        (24LL * 3600 * 1000)

static bool read_id(struct api_call *c, const char *id, int64_t *ret)
{
	if (history_id_parse(id, ret) == 0)
		return true;
	api_refuse(c, ERR_INVALID_ID, "id", "this is no id of an event");
	return false;
}

/* Whoever goes on says which event was the last (after), or begins with the oldest (bootstrap).
 * What came after one that is no more is not all here: that is said, not passed over. False:
 * refused. */
static bool read_cursor(struct api_call *c, int64_t *ret_after)
{
	const char *after = api_query(c, "after");
	bool bootstrap = api_query_flag(c, "bootstrap");

	*ret_after = bootstrap ? 0 : -1;
	if (!after)
		return true;
	if (bootstrap) {
		api_refuse(c, ERR_INVALID_PARAMS, "bootstrap",
			"bootstrap and after exclude each other");
		return false;
	}
	if (!read_id(c, after, ret_after))
		return false;
	if (!history_has_since(c->agent->store, *ret_after)) {
		api_refuse(c, ERR_CURSOR_GONE, "after",
			"events have gone since %s: begin with bootstrap=true", after);
		return false;
	}
	return true;
}

/* Of those that were missed too many end the stream, for what came next would be passed over: who
 * follows again behind the last gets more of them. */
static void follow(struct api_call *c, int64_t after)
{
	const struct history_page page = { .ascending = true, .limit = FOLLOW_MAX };
	_cleanup_json_ json_t *missed = NULL;
	json_t *event;
	int64_t total = 0;
	size_t i;

	if (after >= 0)
		missed = history_event_list(c->agent->store, after, &page, &total);
	if (!api_stream(c, NULL))
		return;
	json_array_foreach(missed, i, event)
		api_stream_send(c, "event", event, i == FOLLOW_MAX - 1 && total > FOLLOW_MAX);
}

/* Behind a cursor the oldest come first, else the newest. */
void api_event_list(struct api_call *c)
{
	const char *order = api_query(c, "sort_order");
	struct history_page page = { .offset = api_offset(c),
		.limit = api_query_number(c, "limit") };
	int64_t after, total;
	json_t *events;

	if (!read_cursor(c, &after))
		return;
	if (c->stream) {
		follow(c, after);
		return;
	}
	page.ascending = order ? strcmp(order, "asc") == 0 : after >= 0;
	events = history_event_list(c->agent->store, after, &page, &total);
	api_page(c, "events", events, total, NULL);
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
	api_ok(c, 200, "deleted", jsonx_pack("{s:I}", "deleted_count", (json_int_t)n));
}

void api_event_delete(struct api_call *c)
{
	int64_t row, n;

	if (!read_id(c, c->args[0], &row))
		return;
	n = history_remove_events(c->agent->store, row, INT64_MAX, NULL);
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
	int64_t ms = INT64_MAX;

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
