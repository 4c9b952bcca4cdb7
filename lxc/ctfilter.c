/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctfilter.h"

#include <poll.h>

#include "lxc/ctproc.h"
#include "proto/clock.h"

#define POLL_MS 2
#define WAIT_MS 5000

/* How many filters a process has, or -1: it is gone, or the kernel doesn't say. */
static int count(pid_t pid)
{
	char text[64];
	int n;

	return ctproc_line(pid, "Seccomp_filters", text, sizeof(text)) > 0 &&
			       sscanf(text, "%d", &n) == 1
		       ? n
		       : -1;
}

int ctfilter_await(pid_t pid, int pidfd, const char *who, struct err *err)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + WAIT_MS;
	int own = count(getpid());

	while (own < 0 || count(pid) <= own) {
		if (poll(&end, 1, POLL_MS) > 0)
			return 0;
		if (own < 0 || clock_ms(CLOCK_MONOTONIC) >= end_ms)
			return err_set(err, -EPERM, ERR_INTERNAL, NULL,
				"%s has no seccomp filter: it is not let run unconfined", who);
	}
	return 0;
}
