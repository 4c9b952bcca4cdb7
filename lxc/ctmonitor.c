/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctmonitor.h"

#include <fcntl.h>
#include <sched.h>

static int open_own(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int go(int space)
{
	return setns(space, CLONE_NEWNET) < 0 ? -errno : 0;
}

void ctmonitor_leave(int back)
{
	if (go(back) < 0)
		abort();
}

static int fail(struct err *err, int r)
{
	return err_set(err, r, ERR_INTERNAL, NULL,
		"the network namespace of liblxc's monitors can't be entered: %s", strerror(-r));
}

int ctmonitor_make_space(void)
{
	_cleanup_(closep) int own = open_own(), made = -1;
	int r;

	if (own < 0 || unshare(CLONE_NEWNET) < 0)
		return own < 0 ? own : -errno;
	r = made = open_own();
	ctmonitor_leave(own);
	return r < 0 ? r : take_fd(&made);
}

int ctmonitor_enter(int space, int *ret_back, struct err *err)
{
	_cleanup_(closep) int back = open_own();
	int r = MIN_OF(back, 0);

	if (r >= 0)
		r = space >= 0 ? go(space) : unshare(CLONE_NEWNET) < 0 ? -errno : 0;
	if (r < 0)
		return fail(err, r);
	*ret_back = take_fd(&back);
	return 0;
}

struct visit {
	pid_t pid;
	int space;
};

static int look_at(pid_t pid, void *userdata)
{
	struct visit *v = userdata;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	v->pid = pid;
	v->space = open(path, O_RDONLY | O_CLOEXEC);
	return v->space >= 0;
}

static int is_still(pid_t pid, void *userdata)
{
	return pid == ((const struct visit *)userdata)->pid;
}

/* Asked before and after it is opened: a number that was given away again is noticed. */
int ctmonitor_visit(struct ctgroup *g, const char *id, struct err *err)
{
	struct visit v = { .space = -1 };
	int r = ctgroup_each_pid(g, id, "monitor", look_at, &v);

	if (r > 0)
		r = ctgroup_each_pid(g, id, "monitor", is_still, &v);
	if (r > 0)
		r = go(v.space);
	else if (r == 0)
		r = -ESRCH;
	closefd(v.space);
	if (r == -ESRCH)
		return err_set(err, r, ERR_OPERATION_STATE_CONFLICT, NULL,
			"the container has no monitor: it has just ended");
	return r < 0 ? fail(err, r) : 0;
}
