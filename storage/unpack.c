/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/unpack.h"

#include <fcntl.h>
#include <sys/wait.h>

#define UNPACK_FDS_END    16
#define UNPACK_NO_PROGRAM 127

/* What the process says is judged like anything that a taken-over one could say. */
static int listen_to(struct unpack *u, int fd, struct err *err)
{
	struct unpack_word w;

	for (;;) {
		ssize_t n = read(fd, &w, sizeof(w));

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(w))
			return err_set(err, -EBADMSG, ERR_IMAGE_INVALID, "image",
				"the process that unpacked it was ended: the image is hostile");
		u->bytes = w.bytes;
		u->entries = w.entries;
		if (w.end)
			break;
		if (u->progress)
			u->progress(w.bytes, u->userdata);
	}
	if (w.r >= 0)
		return 0;
	w.err.message[sizeof(w.err.message) - 1] = '\0';
	w.err.field[sizeof(w.err.field) - 1] = '\0';
	return err_set(err, w.r, w.err.code == ERR_DISK_FULL ? ERR_DISK_FULL : ERR_IMAGE_INVALID,
		w.err.code == ERR_DISK_FULL ? "Storage.Pool" : "image", "%s", w.err.message);
}

/* The three descriptors of a program of ours, whatever their numbers were; everything else that we have
 * is closed at exec. */
static void become(const struct unpack *u, int say)
{
	_cleanup_(freep) char *bytes = xasprintf("%llu", (unsigned long long)u->max_bytes),
			      *entries = xasprintf("%llu", (unsigned long long)u->max_entries);
	const int from[] = { say, u->archive, u->tree },
		  to[] = { UNPACK_SAY, UNPACK_ARCHIVE, UNPACK_TREE };
	char *argv[] = { (char[]){ "hoody-unpack" }, bytes, entries,
		u->layer ? (char[]){ "layer" } : (char[]){ "root" }, NULL };
	char *envp[] = { NULL };
	int high[countof(from)];

	for (size_t i = 0; i < countof(from); i++)
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, UNPACK_FDS_END);
	for (size_t i = 0; i < countof(from); i++)
		if (high[i] < 0 || dup2(high[i], to[i]) < 0)
			return;
	(void)execve(u->program, argv, envp);
}

int unpack_archive(struct unpack *u, struct err *err)
{
	int fds[2], status, r;
	pid_t pid;

	u->bytes = u->entries = 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL, "can't begin to unpack: %s",
			strerror(errno));
	pid = fork();
	if (pid == 0) {
		become(u, fds[1]);
		_exit(UNPACK_NO_PROGRAM);
	}
	closefd(fds[1]);
	r = pid < 0 ? err_set(err, -EAGAIN, ERR_INTERNAL, NULL, "can't begin to unpack")
		    : listen_to(u, fds[0], err);
	closefd(fds[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == UNPACK_NO_PROGRAM)
		return err_set(err, -ENOENT, ERR_INTERNAL, NULL, "%s can't be run", u->program);
	return r;
}
