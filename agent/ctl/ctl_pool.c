/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_pool.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define IDS 65536

extern char **environ;

static int write_map(pid_t pid, const char *name, int64_t id_base)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	_cleanup_(freep) char *map = xasprintf("0 %lld %d", (long long)id_base, IDS);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, map, strlen(map)) < 0 ? -errno : 0;
}

static int open_mapped(pid_t pid, int64_t id_base)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/user", (int)pid);
	int fd, r = write_map(pid, "uid_map", id_base);

	if (r >= 0)
		r = write_map(pid, "gid_map", id_base);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A user namespace lives as long as it is open; who made it says a byte and is then ended. */
static int user_namespace(int64_t id_base)
{
	int ends[2], fd = -EIO;
	char byte = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) == 0 && write(ends[1], &byte, 1) == 1)
			for (;;)
				(void)pause();
		_exit(EXIT_FAILURE);
	}
	closefd(ends[1]);
	if (pid > 0 && read(ends[0], &byte, 1) == 1)
		fd = open_mapped(pid, id_base);
	closefd(ends[0]);
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, NULL, 0);
	return fd;
}

int ctl_pool_try_ids(const char *path, int64_t id_base)
{
	_cleanup_(closep) int ns = user_namespace(id_base), tree = -1;
	struct mount_attr mapped = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns };

	if (ns < 0)
		return ns;
	tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &mapped, sizeof(mapped)) < 0)
		return -errno;
	return 0;
}

/* Without a first line that names an interpreter, which would need to find it by a name: what is no
 * program is refused with ENOEXEC, once it may be executed at all. */
int ctl_pool_try_exec(const char *path)
{
	_cleanup_(closep) int out = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0700), in = -1;
	_cleanup_(freep) char *name = xasprintf("/proc/self/fd/%d", out);
	int status = 0;
	pid_t pid;

	if (out < 0)
		return -EOPNOTSUPP;
	in = open(name, O_RDONLY | O_CLOEXEC);
	out = closefd(out); /* else it is busy (ETXTBSY) */
	pid = in < 0 ? -1 : fork();
	if (pid == 0) {
		(void)fexecve(in, (char *[]){ (char[]){ "try" }, NULL }, environ);
		_exit(errno == ENOEXEC ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -EOPNOTSUPP;
	return status == 0 ? 0 : -EACCES;
}
