/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waits for an init that was asked to end. The loop does it, by pidfd and timers: it may take as
 * long as an order says, and no worker is to be held by who doesn't listen. */
#pragma once

#include "agent/common/agent.h"
#include "lxc/ctspec.h"

/* The signal that @spec's init is to be asked by where it hears it: the node's setting, else what
 * its image says. 0: neither says. */
int ctstop_signal(const struct conf *conf, const struct ctspec *spec);
struct operation;

/* A step's wait (agent/engine/opdef.h): ask init to end, again and again. 1: engine_go_on()
 * follows, with 0 or with TIMEOUT in op->err and the container running on; 0: no init runs. */
int ctstop_wait(struct agent *a, struct operation *op);
