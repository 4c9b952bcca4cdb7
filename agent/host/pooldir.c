/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/pooldir.h"

#include <sys/stat.h>

#include "agent/state/desired.h"

#define MODE 0711 /* a container's root passes through it, and sees nothing */

void pooldir_begin(const struct agent *a)
{
	_cleanup_(freep) char *path = xasprintf("%s/containers", a->conf.storage.pool);

	if (desired_count(a->desired) == 0 && mkdir(path, MODE) == 0)
		(void)chmod(path, MODE); /* because of our umask */
}
