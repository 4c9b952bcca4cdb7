/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How an init is asked to end: by a signal that it hears, which its process says (proc_pid_status(5)), whatever
 * the image is called. It hears what it catches, what it blocks, as for signalfd(2), and what it waits for.
 * All else the kernel drops at a first process (pid_namespaces(7)). */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

#define CTSIGNAL_SETTLED_MS 5000 /* an init that hears nothing by then never will */

/* The signal; 0: it hears none; -ENOENT: it is gone. Reads /proc and nothing of the container's: safe on a loop. */
_must_check_ int ctsignal_of(pid_t pid);

/* For how long it has run. */
int64_t ctsignal_age_ms(pid_t pid);
