/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine from inside: what its parts (unfinished, opwalk, engine) share, and nobody else
 * includes. */
#pragma once

#include "agent/engine/engine.h"
#include "agent/engine/operation.h"

struct engine {
	struct agent *agent;
	const struct opdef *(*find)(enum op op);
	const struct engine_listener *listener;
	struct lane_table *lanes;
	struct operation *all;
	size_t n;
	struct operation_queue ready; /* first in all their lanes, or with a result to go on with */
	struct operation_queue starved; /* wait for a worker */
	struct operation_queue
		acting;              /* journaled in the open transaction: act once it is durable */
	struct operation_queue held; /* not begun, as one on its last attempt must run alone */
	struct operation *holders;   /* have a worker */
	struct operation *alone;
	size_t n_last_attempts; /* unfinished ones that must run alone, e->alone among them */
	uint64_t ended;         /* since the journal was pruned */
};
