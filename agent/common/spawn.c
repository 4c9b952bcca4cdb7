/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/chanio.h"

char *spawn_find(const char *name)
{
	static const char *const folders[] = { ".", "../netns", "../storage", "../lxc",
		"../agent" };
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
	(void)posix_spawn_file_actions_adddup2(&actions, fd, CHANNEL_FD);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(ret_pid, program, &actions, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* --- leaves --- */

static int connect_to_unit(const char *directory, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", directory, name);
	_cleanup_(closep) int fd = -1;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0)
		return -errno;
	return take_fd(&fd);
}

int spawn_leaf(const char *directory, const char *name, uint32_t id, int *ret_fd, pid_t *ret_pid)
{
	_cleanup_(freep) char *program = NULL, *own_name = NULL, *number = NULL, *etc = NULL;
	int ends[2], r = connect_to_unit(directory, name);

	*ret_pid = 0;
	*ret_fd = r;
	if (r >= 0)
		return 0;
	r = chanio_pair(ends);
	if (r < 0)
		return r;
	program = spawn_find(name);
	own_name = xstrdup(name);
	number = xasprintf("%u", id);
	etc = xasprintf("%s/" SPAWN_ETC, directory);
	r = spawn_program(program,
		(char *[]){ own_name, (char[]){ "--id" }, number, (char[]){ "--etc" }, etc, NULL },
		ends[1], ret_pid);
	closefd(ends[1]);
	*ret_fd = r < 0 ? closefd(ends[0]) : ends[0];
	return r;
}
