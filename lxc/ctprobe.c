/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctprobe.h"

#include <fcntl.h>
#include <sys/syscall.h>

#define STATUS_MAX 8192

static int read_proc(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

/* "NSpid:\t1234\t1": two namespaces deep as we see it, and the first process there. A dead one that
 * nobody has reaped has none. */
static int is_init(pid_t pid)
{
	char text[STATUS_MAX];
	const char *line;
	int outer, inner, n = 0, r = read_proc(pid, "status", text, sizeof(text));

	if (r < 0)
		return r == -ENOENT || r == -ESRCH ? 0 : r;
	line = strstr(text, "\nNSpid:");
	if (strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX") || !line ||
		sscanf(line, "\nNSpid: %d %d%n", &outer, &inner, &n) != 2)
		return 0;
	return outer == pid && inner == 1 && line[n] == '\n';
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
	r = is_init(pid);
	if (r <= 0)
		return r;
	s->pid = pid;
	s->pidfd = take_fd(&pidfd);
	return 1;
}

int ctprobe_look(struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct search s = { .pidfd = -1 };
	int found = ctgroup_each_pid(g, id, "payload", look_at, &s), r = found;

	if (found > 0)
		r = ctgroup_is_frozen(g, id);
	else if (found == 0)
		r = ctgroup_is_populated(g, id);
	if (r < 0) {
		closefd(s.pidfd);
		s = (struct search){ .pidfd = -1 };
	}
	if (ret_pid)
		*ret_pid = s.pid;
	if (ret_pidfd)
		*ret_pidfd = take_fd(&s.pidfd);
	closefd(s.pidfd);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL,
			"the kernel can't be asked about the container's processes: %s",
			strerror(-r));
	if (found)
		return r ? CTPROBE_PAUSED : CTPROBE_RUNNING;
	return r ? CTPROBE_PARTIAL : CTPROBE_ABSENT;
}
