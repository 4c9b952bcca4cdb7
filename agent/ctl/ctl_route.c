/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_route.h"

#include "agent/ctl/ctl_run.h"
#include "proto/jsonx.h"

#define NO_LINK "*" /* of a route that leads nowhere: unreachable, blackhole */

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
