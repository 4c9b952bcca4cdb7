/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes due: snapshots, shares and aliases end, an environment is applied again. By orders of
 * the agent's own, also while the control API is out of reach. Sleeps until the next end. */
#pragma once

#include "agent/common/agent.h"

struct reaper;
_must_check_ int reaper_new(struct agent *a, struct reaper **ret);
struct reaper *reaper_free(struct reaper *r);

/* Something with an end was made, or changed it. */
void reaper_look(struct reaper *r);

/* An order of its making has done what it should: the next one of its container can be made. */
void reaper_go_on(struct reaper *r);

/* What is judged once more when an order of its making has its turn is judged by this time: the
 * later of what the clock and the API's signed answers say, in ms since the epoch. */
int64_t reaper_now_ms(const struct reaper *r);

/* What ends does so by a clock that is believed (agent/ops/heldtime): an answer of the control API
 * was signed well by a clock that showed @wall_ms; or not. */
void reaper_time_confirmed(struct reaper *r, int64_t wall_ms);
void reaper_time_doubted(struct reaper *r);
