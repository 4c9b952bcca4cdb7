/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root's attack on what the kernel counts by user: counts KIND TRIES
 *
 * Each try is a process of its own, of one of ten users, that makes one of KIND and keeps it until
 * all have tried. Root first raises the bounds that it sees, as far as it may. Prints how many
 * succeeded. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS     10
#define TRIES_MAX 1000

static int space(int flags, int by)
{
	if (flags != CLONE_NEWUSER)
		by = 0; /* it needs a capability */
	return (by && (setresgid(by, by, by) < 0 || setresuid(by, by, by) < 0)) ||
			       unshare(flags) < 0
		       ? -1
		       : 0;
}

static int inotify(int below, int by)
{
	if (by && setresuid(by, by, by) < 0)
		return -1;
	return below && unshare(CLONE_NEWUSER) < 0 ? -1 : inotify_init1(IN_CLOEXEC);
}

/* An instance for each user, and so many watches. */
static int watch(int n, int by)
{
	static int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/watched-%d", n);
	close(open(path, O_WRONLY | O_CREAT, 0644));
	if (fd < 0)
		fd = inotify_init1(IN_CLOEXEC);
	return inotify_add_watch(fd, path, IN_ALL_EVENTS) < 0 ? -1 : 0;
}

static int fanotify(int unused, int by)
{
	return by && setresuid(by, by, by) < 0
		       ? -1
		       : fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
}

static int task(int unused, int by)
{
	return by && setresuid(by, by, by) < 0 ? -1 : 0;
}

static const struct kind {
	const char *name;
	int (*make)(int argument, int by);
	int argument;
} kinds[] = {
	{ "user", space, CLONE_NEWUSER },
	{ "pid", space, CLONE_NEWPID },
	{ "uts", space, CLONE_NEWUTS },
	{ "ipc", space, CLONE_NEWIPC },
	{ "net", space, CLONE_NEWNET },
	{ "mnt", space, CLONE_NEWNS },
	{ "cgroup", space, CLONE_NEWCGROUP },
	{ "inotify", inotify, 0 },
	{ "inotify-below", inotify, 1 },
	{ "fanotify", fanotify, 0 },
	{ "watch", watch, -1 },
	{ "task", task, 0 },
};

/* Where /proc/sys is read-only, by a /proc of its own. */
static void raise_bounds(void)
{
	static const char *const names[] = { "user_namespaces", "pid_namespaces", "uts_namespaces",
		"ipc_namespaces", "net_namespaces", "mnt_namespaces", "cgroup_namespaces",
		"inotify_instances", "inotify_watches", "fanotify_groups" };
	char path[128];

	(void)mkdir("/raise", 0755);
	if (access("/raise/sys", F_OK) < 0 && mount("proc", "/raise", "proc", 0, NULL) < 0)
		perror("/raise");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd;

		snprintf(path, sizeof(path), "/raise/sys/user/max_%s", names[i]);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "1000000", 7) < 0)
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
		close(fd);
	}
}

static void try(const struct kind *k, int n, int told, int hold)
{
	char c = k->make(k->argument < 0 ? n : k->argument, n % USERS * 1000) < 0 ? '-' : '+';

	if (write(told, &c, 1) == 1)
		(void)!read(hold, &c, 1);
	_exit(0);
}

int main(int argc, char **argv)
{
	int tries = argc == 3 ? atoi(argv[2]) : 0, made = 0, told[2], hold[2];
	const struct kind *k = kinds;
	pid_t pid;
	char c;

	while (argc == 3 && k < kinds + sizeof(kinds) / sizeof(*kinds) &&
		strcmp(k->name, argv[1]) != 0)
		k++;
	if (tries < 1 || tries > TRIES_MAX || k == kinds + sizeof(kinds) / sizeof(*kinds) ||
		pipe(told) < 0 || pipe(hold) < 0)
		return 2;
	raise_bounds();
	for (int n = 0; n < tries; n++) {
		if (k->make == watch) {
			made += watch(n, 0) == 0;
			continue;
		}
		pid = fork();
		if (pid == 0) {
			close(hold[1]);
			try(k, n, told[1], hold[0]);
		}
		made += pid > 0 && read(told[0], &c, 1) == 1 && c == '+';
	}
	printf("%d\n", made);
	fflush(stdout);
	close(hold[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
