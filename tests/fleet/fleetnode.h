/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node of a fleet, as far as the other nodes feel it: it polls, by the product's own errand, pace
 * and back-off, and has nothing else to do. How a request goes, and what time is, is another's. */
#pragma once

#include "agent/uplink/errand.h"
#include "agent/uplink/pace.h"

struct fleetnode {
	struct errand poll;
	struct pace pace;
	void *world;
};

void fleetnode_init(struct fleetnode *n, sd_event *event, void *world);

/* As the agent at the end of each turn: whether it asks now, and for a wait of how long. */
bool fleetnode_kick(struct fleetnode *n, uint64_t *ret_wait_s);

/* What it asked was answered, with @said; or not. */
void fleetnode_answered(struct fleetnode *n, const struct nodecall_pace *said);
void fleetnode_failed(struct fleetnode *n, uint64_t retry_after_ms);
