/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has what is to run in a container the container's system call filter (ctconf_seccomp_policy)?
 * liblxc loads none into a process that has one already, unless it is told to, and says nothing. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

/* Waits until the process has the caller's filters, which it has inherited, and one of its own: it
 * may be on its way to that still. @who: how it is called in the error, -EPERM: it has none. 0 also
 * when it has ended, which is for others to say. What has that pid is the process that @pidfd is,
 * or ended is said. */
_must_check_ int ctfilter_await(pid_t pid, int pidfd, const char *who, struct err *err);
