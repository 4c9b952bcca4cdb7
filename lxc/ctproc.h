/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What proc(5) says of one process, by its pid: a caller who must not be told of another one that
 * has got that pid meanwhile holds a pidfd, and asks it afterwards. Reads nothing of the process's
 * own: safe on a loop. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* /proc/PID/@name as far as @size takes it, with a NUL behind. 0, or a negative errno. */
_must_check_ int ctproc_read(pid_t pid, const char *name, char *ret, size_t size);

/* What stands behind "@key:" in /proc/PID/status, to the line's end and with it, wherever the line
 * is: before most of them is one that the process itself makes as long as it likes. 1, 0 for no
 * such line, or a negative errno. */
_must_check_ int ctproc_line(pid_t pid, const char *key, char *ret, size_t size);

/* When it began, in clock ticks since the boot: field 22 of proc_pid_stat(5). 0: it is gone. */
uint64_t ctproc_started(pid_t pid);
