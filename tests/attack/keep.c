/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root keeps what is shared with it, in a way for each process: keep HOW DIRECTORY
 *
 * Takes hold of it, prints "kept" (or "refused ERRNO" and ends), and waits for a line. Then it
 * tries to read "secret" there and to make "written-HOW", by what it has kept alone, and prints
 * "read ERRNO write ERRNO". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYS_open_tree_attr_ 467 /* since Linux 6.15 */
#define CLONE_TREE          1

static const char *directory;
static int kept = -1;

static int refuse(void)
{
	printf("refused %d\n", errno);
	exit(0);
}

static void keep_copy(void)
{
	kept = (int)syscall(SYS_open_tree, AT_FDCWD, directory, CLONE_TREE);
}

static void keep_copy_high(void) /* a filter compares 64 bits, the kernel takes 32 */
{
	kept = (int)syscall(SYS_open_tree, AT_FDCWD, directory, (1UL << 32) | CLONE_TREE);
}

static void keep_copy_attr(void)
{
	uint64_t attr[4] = { 0 };

	kept = (int)syscall(
		SYS_open_tree_attr_, AT_FDCWD, directory, CLONE_TREE, attr, sizeof(attr));
}

static void keep_directory(void)
{
	kept = open(directory, O_RDONLY | O_DIRECTORY);
}

static void keep_cwd(void)
{
	kept = chdir(directory) < 0 ? -1 : AT_FDCWD;
}

/* A mount namespace that nobody is in. */
static void keep_space(void)
{
	char path[64];
	int ends[2];
	pid_t child;

	if (pipe(ends) < 0)
		refuse();
	child = fork();
	if (child == 0) {
		char c = unshare(CLONE_NEWNS) == 0 &&
			 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;

		if (write(ends[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)child);
	if (read(ends[0], path + 63, 1) == 1)
		kept = open(path, O_RDONLY);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void enter_space(void)
{
	if (setns(kept, CLONE_NEWNS) < 0 || chdir(directory) < 0)
		kept = -1;
	else
		kept = AT_FDCWD;
}

static void show(const char *how)
{
	char name[64];
	int r = openat(kept, "secret", O_RDONLY), w;
	int read_errno = r < 0 ? errno : 0;

	snprintf(name, sizeof(name), "written-%s", how);
	w = openat(kept, name, O_WRONLY | O_CREAT, 0600);
	printf("read %d write %d\n", read_errno, w < 0 ? errno : 0);
	fflush(stdout);
}

static const struct {
	const char *how;
	void (*keep)(void), (*use)(void);
} ways[] = {
	{ "copy", keep_copy, NULL },
	{ "copy-high", keep_copy_high, NULL },
	{ "copy-attr", keep_copy_attr, NULL },
	{ "directory", keep_directory, NULL },
	{ "cwd", keep_cwd, NULL },
	{ "space", keep_space, enter_space },
};

static void wait_for_word(void)
{
	char c;

	printf("kept\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &c, 1) < 0)
		exit(1);
}

/* In a table of descriptors of its own. */
static void *all_in_thread(void *how)
{
	if (unshare(CLONE_FILES) < 0)
		refuse();
	keep_directory();
	wait_for_word();
	show(how);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 3)
		return 2;
	directory = argv[2];
	if (strcmp(argv[1], "thread") == 0)
		return pthread_create(&thread, NULL, all_in_thread, argv[1]) ||
		       pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(argv[1], ways[i].how) != 0)
			continue;
		ways[i].keep();
		if (kept == -1)
			refuse();
		wait_for_word();
		if (ways[i].use)
			ways[i].use();
		show(argv[1]);
		return 0;
	}
	return 2;
}
