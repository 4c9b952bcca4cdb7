/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is it alive? Asked of the kernel alone, without liblxc, whose calls wait for ever on a stopped
 * monitor.
 *
 * A container runs when a process in its payload cgroup is pid 1 of a pid namespace of its own
 * (last two fields of NSpid in /proc/PID/status; proc_pid_status(5)). The pidfd is opened first and
 * the facts checked after, so a recycled pid can't be believed.
 *
 * Which process that is was found by a worker once, and the container's group remembers it: the
 * agent's loop asks about that one and about cgroup.events, and never walks a tree that the
 * container made. */
#pragma once

#include <sys/types.h>

#include "lxc/ctgroup.h"
#include "proto/base.h"
#include "proto/err.h"

enum ctprobe_state {
	CTPROBE_ABSENT, /* no process of it at all */
	/* something (a monitor, a straggler), but no init that is known: clear it away before a
	 * start */
	CTPROBE_PARTIAL,
	CTPROBE_RUNNING,
	CTPROBE_PAUSED,
};

/* Which it is; negative when the kernel can't be asked (descriptors, memory), which must not pass
 * for an absent container. Never blocks on the container, and takes the same time whatever that has
 * made. @ret_pid, @ret_pidfd (both optional; set to 0 and -1 unless running or paused). */
_must_check_ int ctprobe_look(
	struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* The same, but an init that its group doesn't remember (an older agent's monitor has restarted it)
 * is searched in the whole tree and remembered: a worker's. */
_must_check_ int ctprobe_find(
	struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err);
