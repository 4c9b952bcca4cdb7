/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of a container that runs, by its cgroups' files: as liblxc sets them at a start, and those
 * of input and output, for which liblxc does not know the device. */
#pragma once

#include <sys/types.h>

#include "lxc/ctgroup.h"
#include "lxc/ctspec.h"

/* What of @s its payload group does not have yet. What @s leaves out is as in @bounds, as far as
 * this host has that, and what is in neither is unlimited. @disk: of the pool (ctlimits_disk), 0
 * for none. LIMIT_NOT_SUPPORTED where the kernel refuses one, naming it, and (-EBUSY) for less
 * memory than the container uses and can't give back: nothing of it is killed. */
_must_check_ int ctlimits_apply(struct ctgroup *g, const struct ctspec *s,
	const struct ctspec_limits *bounds, dev_t disk, struct err *err);
/* Those of input and output alone. */
_must_check_ int ctlimits_apply_io(
	struct ctgroup *g, const struct ctspec *s, dev_t disk, struct err *err);

/* Its monitor copies what the container writes to its console, as fast as it can: outside of the
 * container's limits, so it has one of its own. After a start, which it must not slow down. */
_must_check_ int ctlimits_bound_monitor(struct ctgroup *g, const char *id, struct err *err);

/* The whole disk that the file system of @path lies on; 0: it lies on none that can be named. */
dev_t ctlimits_disk(const char *path);
