/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers when the host comes up and when it goes down. */
#pragma once

#include "agent/common/agent.h"
#include "agent/engine/operation.h"
#include "agent/state/desired.h"

/* The host has been booted: order every container that is to start with it to start, by orders of
 * the agent's own. At most Node.MaxWorkers start at once. */
void bootstart_order(struct agent *a);
/* The same for one. */
void bootstart_order_one(struct agent *a, const struct container *c);
/* An order has ended. A start of the agent's own that failed, of a disk that was late, say, is made
 * again: after five seconds, then twice as long, an hour in the end; until it succeeds, or somebody
 * else has begun or ended the container. The journal knows which those are. */
void bootstart_ended(struct operation *op, enum journal_state state);
/* The agent has been started: what a predecessor has tried is tried again. */
void bootstart_resume(struct agent *a);

/* Is systemd bringing the host down? Asks it; false without it. */
bool bootstart_is_host_stopping(void);

/* Ask every container to end, wait for them together, kill those that don't in time, and leave the
 * event loop; those that are being launched meanwhile, too, and no other is launched any more.
 * False: none runs, and nothing was begun. */
bool bootstart_stop_all(struct agent *a);
