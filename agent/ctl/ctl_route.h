/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's default routes (proc_net(5): a route per line of /proc/net/route; destination and mask
 * 0). */
#pragma once

#include <net/if.h>
#include <stdio.h>

#include "proto/base.h"

#define CTL_ROUTE_FILE "/proc/net/route"

/* The link of the next one in @f; false: there is no more. */
bool ctl_route_next(FILE *f, char ret[static IF_NAMESIZE]);
