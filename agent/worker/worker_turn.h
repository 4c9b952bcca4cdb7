/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One process at a time works on a container, or on an image.
 *
 * The lanes see to it that one operation does. But SIGKILL ends no process that waits in the kernel
 * for a disk: a worker that was killed so lives on until its call returns, and that call still has
 * its effect, beside a successor that believes itself alone. Nobody can wait for it: the agent that
 * it was a child of may be gone.
 *
 * So a job holds, for as long as its process lives, a lock on what it works on: one byte for each
 * name, of one file in the runtime directory, which is on no disk and empty after a boot. The lock
 * belongs to the open file (F_OFD_SETLK in fcntl(2)): what a worker forks has it too, so the guard
 * of a frozen container (lxc/cthold) is waited for as well; what it executes has it not, nor has
 * liblxc's monitor, which closes all that it inherits. The kernel gives it up when the last of them
 * is gone, and not before. Two names that share a byte wait for each other, and no more. */
#pragma once

#include <stddef.h>

#include "proto/base.h"
#include "proto/err.h"

/* Wait for all of @names, for @wait_ms at most: -ETIMEDOUT. The lock's descriptor, or negative. No
 * handler of SIGALRM may be set: this call has its own. */
_must_check_ int worker_turn_take(
	const char *run, const char *const names[], size_t n, long wait_ms, struct err *err);
