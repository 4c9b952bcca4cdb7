/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/cthold.h"

#include <fcntl.h>
#include <sys/wait.h>

#define FREEZE_WAIT_MS 1000

static void let_go(struct cthold *h)
{
	if (ctgroup_set_frozen(h->groups, h->id, false, FREEZE_WAIT_MS) < 0)
		return; /* gone: nothing is held then */
}

/* The guard: reads until nobody can write any more. */
static void guard(struct cthold *h, int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
	let_go(h);
	_exit(0);
}

void cthold_freeze(void *userdata)
{
	struct cthold *h = userdata;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	h->guard = fork();
	if (h->guard == 0) {
		closefd(fds[1]);
		guard(h, fds[0]);
	}
	closefd(fds[0]);
	h->pipe = fds[1];
	/* Without a guard there is no freeze: a copy of a moment more or less is the lesser evil. A
	 * task that can't be frozen in time is waited for no longer either. */
	if (h->guard < 0 || ctgroup_set_frozen(h->groups, h->id, true, FREEZE_WAIT_MS) < 0)
		return;
}

void cthold_thaw(void *userdata)
{
	struct cthold *h = userdata;

	if (h->pipe < 0)
		return;
	let_go(h);
	h->pipe = closefd(h->pipe);
	if (h->guard > 0)
		(void)waitpid(
			h->guard, NULL, 0); /* its own thaw must not come after somebody's freeze */
}
