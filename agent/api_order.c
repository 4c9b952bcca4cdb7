/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api_order.h"

#include "agent/api_body.h"
#include "agent/api_show.h"
#include "agent/event.h"
#include "agent/localorder.h"
#include "proto/jsonx.h"

static json_t *operation_json(const struct order *o, const char *status)
{
	const char *verb = strchr(o->op_name, '.');

	return json_pack("{s:b, s:s, s:s*, s:s*, s:s*, s:s}", "error", 0, "operation",
		verb ? verb + 1 : o->op_name, "container_id",
		o->container_id[0] ? o->container_id : NULL, "project_id",
		o->project_id[0] ? o->project_id : NULL, "status", status, "operation_id",
		o->operation_id);
}

void api_order(struct api_call *c, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals)
{
	_cleanup_json_ json_t *params = params_steals;
	struct agent *a = c->agent;
	char origin[JOURNAL_ORIGIN_MAX], where[80];
	_cleanup_order_ struct order order = {};
	struct err err = {};
	json_t *data;

	if (container_id && engine_is_busy(a->engine, container_id)) {
		api_refuse(c, ERR_OPERATION_IN_PROGRESS, NULL,
			"another operation runs on container %s: nothing was done", container_id);
		return;
	}
	if (localorder_make(a, op, container_id, project_id, params, &order, &err) < 0) {
		api_fail(c, &err, NULL);
		return;
	}
	(void)snprintf(origin, sizeof(origin), "local:%u", (unsigned)c->uid);
	strcpy(c->order_id, order.id);
	data = operation_json(&order, "accepted");
	(void)snprintf(where, sizeof(where), "/api/v1/operations/%s", order.operation_id);
	engine_accept(a->engine, &order, origin);
	if (c->async)
		api_ok_with(c, 202, "accepted", data, "Location", where);
	else
		json_decref(data);
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

void api_order_plain(struct api_call *c)
{
	struct err err = {};
	json_t *params = api_body_params(c->route->op, c, &err);

	if (params)
		api_order(c, c->route->op, NULL, NULL, params);
	else
		api_fail(c, &err, NULL);
}

/* --- its end --- */

/* Of what is no container's there is none. */
static const char *status_of(const struct operation *op, const struct container *found)
{
	return found                       ? desired_status_name(found->status)
	       : op->order.container_id[0] ? "deleted"
					   : NULL;
}

/* A container that is there is shown as it is now; else the operation is. */
static void succeeded(struct api_call *c, const struct operation *op)
{
	const struct container *found = desired_find(c->agent->desired, op->order.container_id);
	bool creates = op->order.op == OP_CONTAINER_CREATE || op->order.op == OP_CONTAINER_COPY;
	bool shows = creates || op->order.op == OP_CONTAINER_UPDATE, adds;
	json_t *data;

	if (found && shows) {
		data = api_show_container(c->agent, found);
		(void)json_object_set_new(
			data, "operation_id", json_string(op->order.operation_id));
		api_ok(c, creates ? 201 : 200, creates ? "created" : "updated", data);
		return;
	}
	data = operation_json(&op->order, status_of(op, found));
	if (op->result) /* which may know a better status than the container's: the network's */
		(void)json_object_update(data, op->result);
	if (c->answer)
		(void)json_object_update(data, c->answer);
	adds = op->order.op == OP_SHARE_CREATE ||
	       (op->order.op == OP_FIREWALL_ADD && !json_object_get(data, "duplicate"));
	api_ok(c, adds ? 201 : 200, "done", data);
}

static void failed(struct api_call *c, const struct operation *op)
{
	const struct container *found = desired_find(c->agent->desired, op->order.container_id);
	json_t *data = operation_json(&op->order, status_of(op, found));

	(void)json_object_set_new(data, "error", json_true());
	api_fail(c, &op->err, data);
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
