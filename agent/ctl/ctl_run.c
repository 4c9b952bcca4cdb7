/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_run.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "proto/jsonx.h"

extern char **environ;

static void redirect(posix_spawn_file_actions_t *actions, int fd, int as, int flags)
{
	if (fd >= 0)
		(void)posix_spawn_file_actions_adddup2(actions, fd, as);
	else
		(void)posix_spawn_file_actions_addopen(actions, as, "/dev/null", flags, 0);
}

int ctl_run(const char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t actions;
	int r, status;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&actions);
	redirect(&actions, in, STDIN_FILENO, O_RDONLY);
	redirect(&actions, out, STDOUT_FILENO, O_WRONLY);
	redirect(&actions, -1, STDERR_FILENO, O_WRONLY);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return -r;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

json_t *ctl_run_json(const char *const argv[])
{
	_cleanup_(closep) int out = memfd_create("answer", MFD_CLOEXEC);

	if (out < 0 || ctl_run(argv, -1, out) != 0 || lseek(out, 0, SEEK_SET) < 0)
		return NULL;
	return jsonx_read(out);
}

int ctl_run_text(const char *text)
{
	_cleanup_(closep) int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return take_fd(&fd);
}
