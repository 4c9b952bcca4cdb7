/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's routes (proc_net(5): a route of the main table per line of /proc/net/route; a default
 * route has destination and mask 0). */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#include "proto/base.h"

#define CTL_ROUTE_FILE "/proc/net/route"

/* The link of the next default route in @f, the best first; one that leads nowhere is passed over.
 * False: there is no more. */
bool ctl_route_next(FILE *f, char ret[static IF_NAMESIZE]);

/* The link that the host's packets to the world leave by, as the kernel's own look-up has it: also
 * by a table that a rule names (ip-rule(8)), or by halves of a default route. False: by none. Runs
 * ip(8). */
bool ctl_route_way(char ret[static IF_NAMESIZE]);

struct ctl_route {
	char link[IF_NAMESIZE];
	struct in_addr network;
	unsigned prefix;
};

/* A route to a network that has addresses of @network (host byte order), by a link whose name
 * doesn't begin with @but. */
bool ctl_route_into(uint32_t network, uint32_t mask, const char *but, struct ctl_route *ret);
