/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_order.h"

#include "agent/api/api_body.h"
#include "agent/api/api_show.h"
#include "agent/engine/unfinished.h"
#include "agent/ops/localorder.h"
#include "agent/report/event.h"
#include "agent/state/desired.h"
#include "agent/state/fwlist.h"
#include "proto/jsonx.h"

#define PATIENCE_S 30 /* without Prefer: wait=S */

static json_t *operation_json(const struct order *o, const char *status)
{
	const char *verb = strchr(o->op_name, '.');
	json_t *v = json_object();

	jsonx_set_bool(v, "error", false);
	jsonx_set_string(v, "operation", verb ? verb + 1 : o->op_name);
	if (o->container_id[0])
		jsonx_set_string(v, "container_id", o->container_id);
	if (o->project_id[0])
		jsonx_set_string(v, "project_id", o->project_id);
	if (status)
		jsonx_set_string(v, "status", status);
	jsonx_set_string(v, "operation_id", o->operation_id);
	return v;
}

/* --- the way into a lane --- */

static void accept_order(struct api_call *c, struct order *take)
{
	struct agent *a = c->agent;
	char origin[JOURNAL_ORIGIN_MAX], where[80];
	json_t *data = operation_json(take, "accepted");

	(void)snprintf(origin, sizeof(origin), "local:%u", (unsigned)c->uid);
	(void)snprintf(where, sizeof(where), "/api/v1/operations/%s", take->operation_id);
	strcpy(c->order_id, take->id);
	if (take->op == OP_NODE_COMMAND)
		jsonx_set_string(data, "command_log_id", take->id);
	if (c->answer)
		(void)json_object_update(data, c->answer);
	engine_accept(a->engine, take, origin);
	if (c->async)
		api_ok_with(c, 202, "accepted", data, "Location", where);
	else
		json_decref(data);
}

static void is_busy(struct api_call *c, const struct order *o)
{
	api_refuse(c, ERR_OPERATION_IN_PROGRESS, NULL,
		"another operation runs on container %s: nothing was done", o->container_id);
}

/* Calls for a container are accepted in the order in which they came. */
static bool is_behind(const struct api_call *c, const struct order *o)
{
	for (const struct api_call *x = c->next; x; x = x->next)
		if (x->parked && strcmp(x->parked->container_id, o->container_id) == 0)
			return true;
	return false;
}

static bool may_proceed(const struct api_call *c, const struct order *o)
{
	return unfinished_traffic(c->agent->engine, o) == UNFINISHED_FREE && !is_behind(c, o);
}

/* A change of wanted state waits for its lane, for that takes a millisecond; and so does any
 * order that only the agent's own operations are in the way of. Behind somebody else's slow
 * operation all other orders are refused at once, as published. */
static unsigned patience_for(const struct api_call *c, const struct order *o)
{
	enum unfinished_traffic traffic = unfinished_traffic(c->agent->engine, o);

	if (may_proceed(c, o))
		return 0;
	if (c->wait_s >= 0)
		return (unsigned)c->wait_s;
	return traffic != UNFINISHED_SLOW || oprules_kind(o->op) == OPRULES_SET ? PATIENCE_S : 0;
}

static int on_impatient(sd_event_source *source, uint64_t us, void *userdata)
{
	struct api_call *c = userdata;

	is_busy(c, c->parked);
	return 0;
}

static void park(struct api_call *c, struct order *take, unsigned wait_s)
{
	if (sd_event_add_time_relative(c->agent->event, &c->patience, CLOCK_BOOTTIME,
		    wait_s * 1000000ULL, 0, on_impatient, c) < 0) {
		is_busy(c, take);
		return;
	}
	c->parked = xcalloc(1, sizeof(*c->parked));
	*c->parked = *take;
	*take = (struct order){};
}

void api_order(struct api_call *c, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals)
{
	_cleanup_json_ json_t *params = params_steals;
	_cleanup_order_ struct order order = {};
	struct err err = {};
	unsigned wait_s;

	if (localorder_make(c->agent, op, container_id, project_id, params, &order, &err) < 0) {
		api_form_name(c->route->form, c->body, &err);
		api_fail(c, &err, NULL);
		return;
	}
	wait_s = patience_for(c, &order);
	if (wait_s > 0)
		park(c, &order, wait_s);
	else if (may_proceed(c, &order))
		accept_order(c, &order);
	else
		is_busy(c, &order);
}

void api_order_proceed(struct agent *a)
{
	struct api_call *c = api_first(a), *before;

	while (c && c->next) /* new ones stand in front, and the oldest goes first */
		c = c->next;
	for (; c; c = before) {
		before = c->prev;
		if (!c->parked || !may_proceed(c, c->parked))
			continue;
		_cleanup_order_ struct order order = *c->parked;

		free(TAKE(c->parked));
		c->patience = sd_event_source_disable_unref(c->patience);
		accept_order(c, &order);
	}
}

void api_order_container(struct api_call *c)
{
	struct container *found = api_container(c);
	json_t *params;
	struct err err = {};

	if (!found)
		return;
	params = api_body_params(c->route->op, c, &err);
	if (params)
		api_order(c, c->route->op, found->spec.id, found->spec.project_id, params);
	else
		api_fail(c, &err, NULL);
}

/* --- its end --- */

/* An operation that concerns no container has no status. */
static const char *status_of(const struct operation *op, const struct container *found)
{
	return found                       ? desired_status_name(found->status)
	       : op->order.container_id[0] ? "deleted"
					   : NULL;
}

/* The rules as they are after a change of them: its result has what has changed. */
static void set_rules(const struct agent *a, const char *container_id, json_t *v)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		json_t *rules = fwlist_get(a->store, container_id, (enum fwdirection)d);

		jsonx_set(v, fwlist_names[d], rules ? rules : json_array());
	}
}

/* An op that makes or changes a container shows the container as it is now; others show the
 * operation. */
static void succeeded(struct api_call *c, const struct operation *op)
{
	const struct container *found = desired_find(c->agent->desired, op->order.container_id);
	bool creates = op->order.op == OP_CONTAINER_CREATE || op->order.op == OP_CONTAINER_COPY;
	bool shows = creates || op->order.op == OP_CONTAINER_UPDATE, adds;
	json_t *data;

	if (found && shows) {
		data = api_show_container(c->agent, found);
		jsonx_set_string(data, "operation_id", op->order.operation_id);
		api_ok(c, creates ? 201 : 200, creates ? "created" : "updated", data);
		return;
	}
	data = operation_json(&op->order, status_of(op, found));
	if (op->result) /* which may know a better status than the container's: the network's */
		(void)json_object_update(data, op->result);
	if (found && strncmp(op->order.op_name, "firewall.", strlen("firewall.")) == 0)
		set_rules(c->agent, op->order.container_id, data);
	if (c->answer)
		(void)json_object_update(data, c->answer);
	adds = op->order.op == OP_SHARE_CREATE ||
	       (op->order.op == OP_PROXY_ALIAS && strcmp(c->method, "POST") == 0) ||
	       (op->order.op == OP_FIREWALL_ADD && !json_object_get(data, "duplicate"));
	api_ok(c, adds ? 201 : 200, "done", data);
}

/* Has it written only if nobody else did? */
static bool has_condition(const struct api_call *c)
{
	return c->if_match || json_object_get(c->body, "file_version") ||
	       json_object_get(c->body, "etag");
}

static void failed(struct api_call *c, const struct operation *op)
{
	const struct container *found = desired_find(c->agent->desired, op->order.container_id);
	json_t *data = operation_json(&op->order, status_of(op, found));
	struct err err = op->err;

	jsonx_set_bool(data, "error", true);
	api_form_name(c->route->form, c->body, &err);
	if (op->order.op == OP_NETWORK_REMOVE && err.code == ERR_NETWORK_NOT_CONFIGURED) {
		err.code = ERR_NOT_FOUND; /* published with 404 here, and with 400 elsewhere */
		err_copy(err.reason, sizeof(err.reason), err_wire(ERR_NETWORK_NOT_CONFIGURED));
	}
	if (has_condition(c) && err.code == ERR_SUPERSEDED) /* somebody else's write came first */
		(void)err_set(&err, -ESTALE, ERR_PRECONDITION_FAILED, "If-Match",
			"etag_mismatch: the document was changed meanwhile");
	api_fail(c, &err, data);
}

void api_order_ended(struct agent *a, const struct operation *op, enum journal_state state)
{
	struct api_call *c;

	for (c = api_first(a); c; c = c->next)
		if (strcmp(c->order_id, op->order.id) == 0)
			break;
	if (!c)
		return; /* it was not of the local API, or its client did not want to wait */
	if (state == JOURNAL_SUCCEEDED)
		succeeded(c, op);
	else
		failed(c, op);
}
