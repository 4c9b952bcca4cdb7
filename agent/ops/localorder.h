/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders of the node's own making: of the local API's callers, and of the agent itself. */
#pragma once

#include "agent/common/agent.h"
#include "proto/order.h"

/* A new id. */
void localorder_new_id(char ret[static IDENT_ID_LEN + 1]);

/* Through the text, as every order goes: what is journaled is what was checked. Ids may be NULL;
 * @params is borrowed. The order is the caller's to give to engine_accept. */
_must_check_ int localorder_make(const struct agent *a, enum op op, const char *container_id,
	const char *project_id, json_t *params, struct order *ret, struct err *err);
