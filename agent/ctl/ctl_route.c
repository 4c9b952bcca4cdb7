/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_route.h"

#include <arpa/inet.h>

#include "agent/ctl/ctl_run.h"
#include "proto/jsonx.h"

#define NO_LINK "*"         /* of a route that leads nowhere: unreachable, blackhole */
#define WIDEST  0xff000000U /* of a network; wider is a part of a default route */

bool ctl_route_next(FILE *f, char ret[static IF_NAMESIZE])
{
	unsigned long destination, mask;
	char line[256];

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %lx %*s %*s %*s %*s %*s %lx", ret, &destination, &mask) ==
				3 &&
			!destination && !mask && strcmp(ret, NO_LINK) != 0)
			return true;
	return false;
}

bool ctl_route_way(char ret[static IF_NAMESIZE])
{
	/* whatever is far away: nothing is sent */
	static const char *const argv[] = { "ip", "-json", "route", "get", "1.1.1.1", NULL };
	_cleanup_json_ json_t *found = ctl_run_json(argv);
	const char *name = json_string_value(json_object_get(json_array_get(found, 0), "dev"));

	if (!name || strcmp(name, "lo") == 0)
		return false;
	(void)snprintf(ret, IF_NAMESIZE, "%s", name);
	return true;
}

bool ctl_route_into(uint32_t network, uint32_t mask, const char *but, struct ctl_route *ret)
{
	FILE *f = fopen(CTL_ROUTE_FILE, "re");
	unsigned destination, its;
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %x %*s %*s %*s %*s %*s %x", ret->link, &destination, &its) !=
			3)
			continue; /* the head */
		ret->network.s_addr = destination;
		ret->prefix = (unsigned)__builtin_popcount(its);
		found = strcmp(ret->link, NO_LINK) != 0 &&
			strncmp(ret->link, but, strlen(but)) != 0 &&
			(ntohl(its) & WIDEST) == WIDEST &&
			((ntohl(destination) ^ network) & ntohl(its) & mask) == 0;
	}
	if (f)
		(void)fclose(f);
	return found;
}
