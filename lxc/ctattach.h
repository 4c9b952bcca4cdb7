/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command in a running container, and its console. Calls liblxc, and that its monitor: both may
 * take for ever on a stopped one, so the caller sets an alarm(2). */
#pragma once

#include "lxc/ctlife.h"

struct ctattach {
	char **argv;      /* NULL-terminated; looked for in the container's PATH */
	const char *term; /* value of TERM, or NULL */
	bool terminal;    /* a new one of the container's, and its controlling terminal */
	unsigned short rows, columns;
	int stdio[3]; /* without a terminal: borrowed */
};

#define CTATTACH_NOT_FOUND 127 /* exit statuses as sh(1) has them */
#define CTATTACH_NOT_RUN   126

/* The command runs as the container's root, in its groups, namespaces, seccomp policy and
 * capabilities. The caller's process is one of lxc/ctenter.h's; @l's groups are closed, since what
 * enters must not have them, and it stays where monitors are (lxc/ctmonitor). @ret_pid: a child of
 * the caller, to be waited for. @ret_master: the terminal's, or -1; the caller's. One that has not
 * got the seccomp policy is not executed (-EPERM, lxc/ctfilter). A command that can't be executed
 * says so on its stderr and ends with 126 or 127. */
_must_check_ int ctattach_run(struct ctlife *l, const struct ctattach *command, pid_t *ret_pid,
	int *ret_master, struct err *err);

/* The console, as long as *@ret_hold is open. Both are the caller's. EBUSY: somebody has it. */
_must_check_ int ctattach_console(
	struct ctlife *l, int *ret_master, int *ret_hold, struct err *err);
