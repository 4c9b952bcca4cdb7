/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/spawn.h"

#include <limits.h>
#include <signal.h>
#include <spawn.h>

char *spawn_find(const char *name)
{
	static const char *const folders[] = { ".", "../netns", "../storage", "../agent" };
	char own[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash = n > 0 ? strrchr(own, '/') : NULL;

	for (size_t i = 0; slash && i < countof(folders); i++) {
		char *beside = xasprintf("%.*s/%s/%s", (int)(slash - own), own, folders[i], name);

		if (access(beside, X_OK) == 0)
			return beside;
		free(beside);
	}
	return xasprintf("%s/%s", PKGLIBEXECDIR, name);
}

int spawn_program(const char *program, char *const argv[], int fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char *envp[] = { NULL };
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	(void)posix_spawn_file_actions_adddup2(&actions, fd, SPAWN_CHANNEL_FD);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(ret_pid, program, &actions, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -r;
}
