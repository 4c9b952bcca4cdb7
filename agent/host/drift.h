/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's network is kept what the containers need, as agent/host/ctnet keeps the table: what
 * another program takes away of a container's link, of forwarding or of the rule for proxied
 * packets is put back at once and reported. Every interface that a route leaves by may forward: the
 * uplink is whatever the routes say now. */
#pragma once

#include "agent/common/agent.h"
#include "agent/state/desired.h"

struct drift;

/* When the containers' states are known: all is looked at once, then watched. What can't be watched
 * is said in the log, and the agent goes on. */
void drift_start(struct agent *a);
/* It runs: what its link needs, and all links share, is kept. Not when its init has ended, whatever
 * its status still is. */
bool drift_has_link(const struct container *c);
struct drift *drift_free(struct drift *d);
