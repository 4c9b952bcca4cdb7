/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations: what became of a call, or of an order of the control API. */
#include "agent/api/api_handlers.h"
#include "agent/report/event.h"
#include "agent/state/journal.h"
#include "proto/jsonx.h"

static json_t *find_operation(struct api_call *c)
{
	json_t *row;

	if (!ident_is_operation_id(c->args[0]) && !ident_is_id(c->args[0])) {
		api_refuse(c, ERR_INVALID_ID, "id",
			"an operation's id is 32 lowercase hex characters, an order's 24");
		return NULL;
	}
	row = journal_find(c->agent->store, c->args[0]);
	if (!row)
		api_refuse(c, ERR_NOT_FOUND, "id", "there is no operation %s", c->args[0]);
	return row;
}

void api_operation_get(struct api_call *c)
{
	_cleanup_json_ json_t *row = find_operation(c);

	if (row)
		api_ok(c, 200, "operation", event_operation(row));
}

static bool has_ended(const json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));

	return strcmp(state, "accepted") != 0 && strcmp(state, "running") != 0;
}

/* Where it stands, then each step of it, to its end. */
void api_operation_events(struct api_call *c)
{
	_cleanup_json_ json_t *row = find_operation(c), *now = NULL;
	const char *id = json_string_value(json_object_get(row, "operation_id"));

	if (!row)
		return;
	if (!id) {
		api_refuse(c, ERR_NOT_FOUND, "id", "this order has no operation id to follow");
		return;
	}
	now = event_operation(row);
	if (api_stream(c, id))
		api_stream_send(c, "operation", now, has_ended(row));
}

void api_operation_list(struct api_call *c)
{
	_cleanup_json_ json_t *rows =
		journal_page(c->agent->store, api_query_number(c, "limit"), api_offset(c));
	json_t *list = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		(void)json_array_append_new(list, event_operation(row));
	api_page(c, "operations", list, journal_total(c->agent->store), NULL);
}
