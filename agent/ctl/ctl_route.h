/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's default routes (proc_net(5): a route per line of /proc/net/route; destination and mask
 * 0). */
#pragma once

#include <net/if.h>
#include <stdio.h>

#include "proto/base.h"

#define CTL_ROUTE_FILE "/proc/net/route"

/* The link of the next one in @f, the best first; one that leads nowhere is passed over. False:
 * there is no more. */
bool ctl_route_next(FILE *f, char ret[static IF_NAMESIZE]);

/* The link that the host's packets to the world leave by, as the kernel's own look-up has it: also
 * by a table that a rule names (ip-rule(8)), or by halves of a default route. False: by none. Runs
 * ip(8). */
bool ctl_route_way(char ret[static IF_NAMESIZE]);
