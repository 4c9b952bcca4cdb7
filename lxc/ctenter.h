/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process is that is about to enter a container's namespaces.
 *
 * Between setns(2) and the last step before execve(2) it is still uid 0 of the host, without the
 * container's system call filter, and already visible to the container's root, who has every
 * capability over whatever is in the container's user namespace. So such a process holds nothing of
 * the host, and can't be taken over:
 *
 *   it can't be traced   PR_SET_DUMPABLE 0: ptrace(2), /proc/PID/{mem,fd,root,exe} and
 *                        pidfd_getfd(2) then ask for a capability in the user namespace that its
 *                        memory was made in, the host's (__ptrace_may_access in kernel/ptrace.c).
 *                        fork(2) keeps that; execve(2) of the container's program ends it.
 *   no directory         of the host among its descriptors, with which ".." climbs out of any
 *                        root, and no file of a cgroup
 *   no file of ours      its program is a sealed memfd, which nobody writes (CVE-2019-5736)
 *   no keys              a session keyring of its own, which the container's program inherits
 *
 * tests/attack/exec.py attacks it, and looks at it in that moment. */
#pragma once

#include "proto/base.h"

/* Where ctenter_exec's program finds what it was given. */
#define CTENTER_TEXT_FD 3
#define CTENTER_FD      4

/* Execute the own program anew from a sealed memfd, with @argument alone, and with no descriptors
 * but these: standard input, output and error are /dev/null, CTENTER_TEXT_FD reads @text,
 * CTENTER_FD is @fd, which is not descriptor 3. Does not return but with a negative errno:
 * descriptor 3 may be gone then, @fd is still good. */
_must_check_ int ctenter_exec(const char *argument, const char *text, int fd);

/* The first call of a program that ctenter_exec has executed. -EPERM: it isn't one. */
_must_check_ int ctenter_begin(void);
