/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from what workers have done and from what containers do by themselves: noted where
 * it belongs, and ordered where it takes an order. */
#pragma once

#include "agent/engine/engine.h"
#include "agent/host/ctwatch.h"
#include "agent/state/desired.h"

/* For struct engine_listener: a step's job was done well. */
void supervise_acted(struct operation *op, struct container *c, struct worker_result *res);
/* For struct agent's ctwatch_owner. */
extern const struct ctwatch_owner supervise_watch;
