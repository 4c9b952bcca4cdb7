/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where containers' monitors listen.
 *
 * liblxc's monitor takes commands on an abstract socket, whose name follows from the container's
 * id. In the host's network namespace anybody on the host could connect to it, and a monitor that
 * has no descriptor left for one more ends its container (lxc_cmd_accept in liblxc's commands.c);
 * or have the name before it, and keep the container from starting. So monitors are in a network
 * namespace in which there is nobody else and no link: one for all that are started by an agent,
 * there as long as that or any of them is. Who speaks to one goes there. */
#pragma once

#include "lxc/ctgroup.h"

/* A new one. The caller is not in it: one thread, root. Its descriptor, the caller's, or a negative
 * errno. */
_must_check_ int ctmonitor_make_space(void);

/* Go to @space (negative: to a new one). @ret_back: where the caller comes from, its own then, for
 * ctmonitor_leave(). 0, or a negative errno: then it has not moved. */
_must_check_ int ctmonitor_enter(int space, int *ret_back, struct err *err);
/* And back, or the process ends: what comes next would be made in the wrong place. */
void ctmonitor_leave(int back);

/* Go to where @id's own monitor is, wherever an agent has started it; for good. -ESRCH: it has
 * none, so nobody is asked in its place. */
_must_check_ int ctmonitor_visit(struct ctgroup *g, const char *id, struct err *err);
