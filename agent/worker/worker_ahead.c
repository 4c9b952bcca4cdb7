/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first move of a process between cgroups after a pause waits for an RCU grace period, 9 to 16
 * ms; those that follow it closely don't (the kernel's cgroup_attach_lock: a percpu rwsem, whose
 * readers are all forks and ends of processes). A start has several. So when one is to come, a
 * child of the worker waits for that grace period, while the agent commits and the worker makes all
 * else ready: by a move of itself to where it is. The launch's own move waits for the rest of it in
 * the kernel, so nobody asks what became of the child. Where cgroup2 is mounted with favordynmods
 * no move waits, and there is no such child.
 *
 * And the container's namespaces are made, of which that of the network waits for the lock that all
 * links share. They are nobody's until the launch takes them, and go with the worker. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/worker/worker_act.h"
#include "agent/worker/worker_job.h"

static _Noreturn void wait_for_kernel(void)
{
	struct ctgroup *g = NULL;
	struct err ignored = {}; /* the launch, which says what is wrong, is only slower */

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The agent goes by the end of its channel, and so do the namespaces by that of theirs. */
	(void)syscall(SYS_close_range, WORKER_JOB_FD, ~0u, 0);
	if (ctgroup_open("", &g, &ignored) >= 0 && ctgroup_stay(g) >= 0)
		g = ctgroup_close(g);
	_exit(EXIT_SUCCESS);
}

static struct ctlife ready; /* its namespaces, and what they were made for */

/* The child is never reaped: it is gone with its worker, which lives for one operation. */
void worker_ahead_pause(const struct ctgroup *g)
{
	if ((!g || !ctgroup_favors_moves(g)) && fork() == 0)
		wait_for_kernel();
}

/* What can't be made now is made by the launch, which says why it can't. */
void worker_ahead_go(const struct ctlife *l)
{
	struct err ignored = {};

	ctlife_let_go(&ready);
	ready = (struct ctlife){};
	ready.spec.id_base = l->spec.id_base;
	ready.bounds = l->bounds;
	(void)!ctlife_prepare(&ready, &ignored);
}

static bool fits(const struct ctlife *l)
{
	const struct ctuserns_bounds *a = &l->bounds.user, *b = &ready.bounds.user;

	return l->spec.id_base == ready.spec.id_base && l->bounds.wanted == ready.bounds.wanted &&
	       a->namespaces == b->namespaces && a->net_namespaces == b->net_namespaces &&
	       a->inotify == b->inotify && a->watches == b->watches;
}

void worker_ahead_take(struct ctlife *l)
{
	if (fits(l))
		l->spaces = ready.spaces;
	else
		ctlife_let_go(&ready);
	ready = (struct ctlife){};
}
