/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_route.h"

bool ctl_route_next(FILE *f, char ret[static IF_NAMESIZE])
{
	unsigned long destination, mask;
	char line[256];

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %lx %*s %*s %*s %*s %*s %lx", ret, &destination, &mask) ==
				3 &&
			!destination && !mask)
			return true;
	return false;
}
