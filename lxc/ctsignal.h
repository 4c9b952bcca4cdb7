/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How an init is asked to end: by a signal that it hears, which its process says
 * (proc_pid_status(5)), whatever the image is called. It hears what it catches, what it blocks, as
 * for signalfd(2), and what it waits for. All else the kernel drops at a first process
 * (pid_namespaces(7)). So a signal that somebody has named for it is taken where it hears that one,
 * and else decided by what it does hear. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

#define CTSIGNAL_AGAIN_MS 500
/* in a row that tell what an init doesn't hear: it may be between two waits for signals */
#define CTSIGNAL_LOOKS 5

/* An init that is asked to end. */
struct ctsignal {
	pid_t pid;
	int pidfd;        /* borrowed */
	int named;        /* the signal that its image or the node names; 0: none */
	unsigned deaf;    /* looks in a row at which it heard nothing */
	unsigned unheard; /* looks at which it did not hear the named one */
	bool by_name;     /* asked by that, and by no other from then on */
	bool asked;       /* it has heard us once, and may be deaf while it ends its services */
};

/* Ask once. One that has just begun hears nothing yet, and what it blocks it may drop: so it is
 * asked until it ends. Returns in how many ms to ask again; 0 when it is no longer new and has
 * never heard anything: it can only be killed.
 * -ESRCH: it is gone; another negative errno: it can't be signalled. Reads /proc and nothing of the
 * container's: safe on a loop. */
_must_check_ int ctsignal_ask(struct ctsignal *s);
