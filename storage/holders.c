/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define FDS_MAX   (1 << 18) /* of one container that are looked at */
#define TASKS_MAX 65536     /* of one process */

struct pass {
	const struct holders_look *look;
	struct holders *ret;
	char trees[PATH_MAX]; /* the place's path, as the kernel says it */
	unsigned left;        /* that may still be looked at */
};

/* --- one descriptor --- */

union handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static bool is_same(int a, int b)
{
	const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC; /* not by the word of a FUSE server */
	struct statx x, y;

	return statx(a, "", flags, STATX_INO, &x) == 0 && statx(b, "", flags, STATX_INO, &y) == 0 &&
	       x.stx_ino == y.stx_ino && x.stx_dev_major == y.stx_dev_major &&
	       x.stx_dev_minor == y.stx_dev_minor;
}

/* Where in the pool it is: behind <Pool>/containers, "/…". Of another file system the handle is
 * nonsense here, or somebody else's: so what it leads to is compared. */
static bool find_in_pool(const struct pass *p, int fd, char *ret, size_t size)
{
	union handle u = { .h = { .handle_bytes = MAX_HANDLE_SZ } };
	_cleanup_(closep) int found = -1;
	size_t len = strlen(p->trees);
	char link[64];
	ssize_t n;
	int mount;

	if (name_to_handle_at(fd, "", &u.h, &mount, AT_EMPTY_PATH) < 0)
		return false;
	found = open_by_handle_at(p->look->trees, &u.h, O_PATH | O_CLOEXEC);
	if (found < 0 || !is_same(fd, found))
		return false;
	(void)snprintf(link, sizeof(link), "self/fd/%d", found);
	n = readlinkat(p->look->proc, link, ret, size - 1);
	if (n < 0)
		return false;
	ret[n] = '\0';
	if (strncmp(ret, p->trees, len) != 0 || ret[len] != '/')
		return false;
	memmove(ret, ret + len, (size_t)n - len + 1);
	return true;
}

static void name(struct holders *h, pid_t pid)
{
	if (h->n < countof(h->pid) && (h->n == 0 || h->pid[h->n - 1] != pid))
		h->pid[h->n++] = pid;
}

static bool is_readonly(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

static void judge(struct pass *p, pid_t pid, int fd)
{
	const struct mountinfo_rule *rule = p->look->rule;
	struct mountinfo_entry e = {};
	char rest[PATH_MAX];

	if (!find_in_pool(p, fd, rest, sizeof(rest)))
		return;
	e.root = xasprintf("%s%s", rule->trees->root, rest);
	e.readonly = is_readonly(fd);
	(void)snprintf(e.device, sizeof(e.device), "%s", rule->trees->device);
	if (mountinfo_is_ours(&e, rule) && !mountinfo_may_stay(&e, rule)) {
		if (!e.readonly && p->look->writable)
			p->look->writable(fd, p->look->userdata);
		p->ret->held++;
		p->ret->writable += !is_readonly(fd);
		name(p->ret, pid);
	}
	free(e.root);
}

static void look_at_space(const struct pass *p, int fd)
{
	_cleanup_(freep) char *path = xasprintf("self/fd/%d", fd);
	_cleanup_(closep) int ns = openat(p->look->proc, path, O_RDONLY | O_CLOEXEC);

	if (ns >= 0)
		p->look->space(ns, p->look->userdata);
}

/* @path: what the process @pid has there, below /proc. */
static void look_at(struct pass *p, pid_t pid, const char *path)
{
	_cleanup_(closep) int fd = openat(p->look->proc, path, O_PATH | O_CLOEXEC);
	char link[32] = "";

	if (fd < 0)
		return;
	p->left--;
	if (readlinkat(p->look->proc, path, link, sizeof(link) - 1) > 0 && p->look->space &&
		strncmp(link, "mnt:[", 5) == 0) {
		struct statfs fs;

		if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC)
			look_at_space(p, fd);
		return;
	}
	judge(p, pid, fd);
}

/* --- all of them --- */

static DIR *open_list(int proc, const char *path)
{
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		closefd(fd);
	return d;
}

/* What stands in @list ("PID/task/TID/fd"); false: not all of it. */
static bool look_at_list(struct pass *p, pid_t pid, const char *list)
{
	DIR *d = open_list(p->look->proc, list);
	struct dirent *e;

	while (d && p->left > 0 && (e = readdir(d))) {
		_cleanup_(freep) char *path = xasprintf("%s/%s", list, e->d_name);

		if (e->d_name[0] != '.')
			look_at(p, pid, path);
	}
	if (d)
		(void)closedir(d);
	return p->left > 0;
}

static bool shares(pid_t a, pid_t b, enum kcmp_type what)
{
	return a != b && syscall(SYS_kcmp, a, b, what, 0, 0) == 0;
}

static bool look_at_task(struct pass *p, pid_t pid, pid_t tid)
{
	static const char *const places[] = { "cwd", "root" };
	_cleanup_(freep) char *task = xasprintf("%d/task/%d", (int)pid, (int)tid),
			      *list = xasprintf("%s/fd", task);

	for (size_t i = 0; !shares(pid, tid, KCMP_FS) && i < countof(places) && p->left > 0; i++) {
		_cleanup_(freep) char *path = xasprintf("%s/%s", task, places[i]);

		look_at(p, pid, path);
	}
	return shares(pid, tid, KCMP_FILES) || look_at_list(p, pid, list);
}

static bool look_at_process(struct pass *p, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("%d/task", (int)pid);
	DIR *tasks = open_list(p->look->proc, path);
	unsigned n = 0;
	struct dirent *e;
	bool all = true;

	while (tasks && all && (e = readdir(tasks)))
		if (e->d_name[0] != '.')
			all = n++ < TASKS_MAX &&
			      look_at_task(p, pid, (pid_t)strtol(e->d_name, NULL, 10));
	if (tasks)
		(void)closedir(tasks);
	return all;
}

void holders_look(const struct holders_look *look, struct holders *ret)
{
	struct pass p = { .look = look, .ret = ret, .left = FDS_MAX };
	_cleanup_(freep) char *link = xasprintf("self/fd/%d", look->trees);
	ssize_t n = readlinkat(look->proc, link, p.trees, sizeof(p.trees) - 1);

	*ret = (struct holders){};
	p.trees[MAX_OF(n, 0)] = '\0';
	for (size_t i = 0; i < look->n_pids; i++)
		ret->unseen += n < 0 || !look_at_process(&p, look->pids[i]);
}
