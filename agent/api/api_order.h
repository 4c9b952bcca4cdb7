/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call that changes something becomes an order: made, checked, journaled and executed like one of
 * the control API, but for its signature, which the caller's credentials stand for. */
#pragma once

#include "agent/api/api.h"

/* What the route orders, of the container that is its first argument, with the body as
 * parameters. */
void api_order_container(struct api_call *c);

/* Order @params of @op, and let the call wait for the end. Ids may be NULL. */
void api_order(struct api_call *c, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals);

/* Somebody has left a lane: calls that wait for it are accepted. */
void api_order_proceed(struct agent *a);

/* An order has ended: whoever waits for it gets its answer. In the open transaction. */
void api_order_ended(struct agent *a, const struct operation *op, enum journal_state state);
