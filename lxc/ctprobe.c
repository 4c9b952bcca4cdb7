/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctprobe.h"

#include <poll.h>
#include <sys/syscall.h>

#include "lxc/ctproc.h"

/* "NSpid:\t1234\t1": two namespaces deep as we see it, and the first process there. */
static int is_init(pid_t pid)
{
	char text[64];
	int outer, inner, n = 0, r = ctproc_line(pid, "NSpid", text, sizeof(text));

	if (r < 0)
		return r == -ENOENT || r == -ESRCH ? 0 : r;
	if (r == 0 || sscanf(text, "%d %d%n", &outer, &inner, &n) != 2)
		return 0;
	return outer == pid && inner == 1 && text[n] == '\n';
}

/* Nobody may have reaped it. The state in its status is its first thread's, which may end before
 * the others. */
static bool is_over(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

struct search {
	pid_t pid;
	int pidfd;
};

/* The pidfd first, the facts after: a pid that was recycled in between shows itself. */
static int look_at(pid_t pid, void *userdata)
{
	struct search *s = userdata;
	_cleanup_(closep) int pidfd = -1;
	int r;

	if (pid <= 0)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return errno == ESRCH || errno == EINVAL ? 0 : -errno;
	r = is_over(pidfd) ? 0 : is_init(pid);
	if (r <= 0)
		return r;
	s->pid = pid;
	s->pidfd = take_fd(&pidfd);
	return 1;
}

/* What the group remembers; recycled since, it has begun at another time. */
static int look_at_noted(struct ctgroup *g, const char *id, struct search *s)
{
	unsigned long long ticks;
	char text[64];
	int pid, r = ctgroup_noted(g, id, text, sizeof(text));

	if (r <= 0 || sscanf(text, "%d %llu", &pid, &ticks) != 2)
		return MIN_OF(r, 0);
	r = look_at((pid_t)pid, s);
	if (r > 0 && ctproc_started((pid_t)pid) != ticks) {
		s->pidfd = closefd(s->pidfd);
		s->pid = 0;
		return 0;
	}
	return r;
}

static int look_everywhere(struct ctgroup *g, const char *id, struct search *s)
{
	int r = ctgroup_each_pid(g, id, "payload", look_at, s);
	char text[64];

	if (r <= 0)
		return r;
	(void)snprintf(text, sizeof(text), "%d %llu", (int)s->pid,
		(unsigned long long)ctproc_started(s->pid));
	r = ctgroup_note(g, id, text);
	return r < 0 ? r : 1;
}

static int conclude(struct ctgroup *g, const char *id, int found, struct search *s, pid_t *ret_pid,
	int *ret_pidfd, struct err *err)
{
	int r = found;

	if (found > 0)
		r = ctgroup_is_frozen(g, id);
	else if (found == 0)
		r = ctgroup_is_populated(g, id);
	if (r < 0) {
		closefd(s->pidfd);
		*s = (struct search){ .pidfd = -1 };
	}
	if (ret_pid)
		*ret_pid = s->pid;
	if (ret_pidfd)
		*ret_pidfd = take_fd(&s->pidfd);
	closefd(s->pidfd);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL,
			"the kernel can't be asked about the container's processes: %s",
			strerror(-r));
	if (found)
		return r ? CTPROBE_PAUSED : CTPROBE_RUNNING;
	return r ? CTPROBE_PARTIAL : CTPROBE_ABSENT;
}

int ctprobe_look(struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct search s = { .pidfd = -1 };
	int found = look_at_noted(g, id, &s);

	return conclude(g, id, found, &s, ret_pid, ret_pidfd, err);
}

int ctprobe_find(struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct search s = { .pidfd = -1 };
	int found = look_at_noted(g, id, &s);

	if (found == 0)
		found = look_everywhere(g, id, &s);
	return conclude(g, id, found, &s, ret_pid, ret_pidfd, err);
}
