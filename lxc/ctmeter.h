/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container's cgroups count. Their files are opened once and then read again and again
 * (pread(2) of a cgroup file makes its text anew), which costs a third of opening them each
 * time. */
#pragma once

#include "lxc/ctgroup.h"

enum ctmeter_value {
	CTMETER_CPU_NS,
	CTMETER_MEMORY_BYTES,
	CTMETER_MEMORY_PEAK_BYTES,
	CTMETER_MEMORY_LIMIT_BYTES, /* INT64_MAX: none */
	CTMETER_SWAP_BYTES,
	CTMETER_SWAP_PEAK_BYTES,
	CTMETER_PIDS,
	CTMETER_IO_READ_BYTES,
	CTMETER_IO_WRITE_BYTES,
	CTMETER_CPU_PRESSURE_US, /* stalled, of some: pressure/psi.rst */
	CTMETER_MEMORY_PRESSURE_US,
	CTMETER_IO_PRESSURE_US,
	CTMETER_OOM_KILLS,
	CTMETER_VALUES
};

struct ctmeter;

/* Of the container's payload group, which is there. -ENOENT when it is not. */
_must_check_ int ctmeter_open(const struct ctgroup *g, const char *id, struct ctmeter **ret);
struct ctmeter *ctmeter_close(struct ctmeter *m);

/* -1 for what this kernel does not count. -ENODEV: the group is gone. */
_must_check_ int ctmeter_read(const struct ctmeter *m, int64_t ret[static CTMETER_VALUES]);
