/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/unpack.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define UNPACK_FDS_END    16
#define ERRNO_MAX         4095
#define UNPACK_NO_PROGRAM 127

static int hostile(struct err *err)
{
	return err_set(err, -EBADMSG, ERR_IMAGE_INVALID, "image",
		"the process that unpacked it was ended: the image is hostile");
}

/* That it is no fault of the image's may be said, and no more than that. */
static int last_word(struct unpack_word *w, struct err *err)
{
	static const struct {
		enum errcode code;
		const char *field;
	} others[] = { { ERR_DISK_FULL, "Storage.Pool" }, { ERR_INTERNAL, NULL } };
	enum errcode code = ERR_IMAGE_INVALID;
	const char *field = "image";

	if (w->r >= 0)
		return 0;
	w->err.message[sizeof(w->err.message) - 1] = '\0';
	for (size_t i = 0; i < countof(others); i++)
		if (w->err.code == others[i].code) {
			code = others[i].code;
			field = others[i].field;
		}
	return err_set(err, w->r < -ERRNO_MAX ? -EBADMSG : w->r, code, field, "%s", w->err.message);
}

/* So it can't keep us listening without end, nor say what a sum of several would run over by. */
static bool is_possible(const struct unpack *u, const struct unpack_word *w)
{
	if (w->end && w->r < 0)
		return true;
	return w->r >= 0 && w->bytes <= u->max_bytes && w->entries <= u->max_entries &&
	       (w->end || w->bytes >= u->bytes + UNPACK_TELL_EVERY);
}

/* What the process says is judged like anything that a taken-over one could say. */
static int listen_to(struct unpack *u, int fd, struct err *err)
{
	struct unpack_word w;

	for (;;) {
		ssize_t n = read(fd, &w, sizeof(w));

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(w) || !is_possible(u, &w))
			return hostile(err);
		u->bytes = MIN_OF(w.bytes, u->max_bytes);
		u->entries = MIN_OF(w.entries, u->max_entries);
		if (w.end)
			return last_word(&w, err);
		if (u->progress)
			u->progress(u->bytes, u->userdata);
	}
}

/* The three descriptors of a program of ours, whatever their numbers were; everything else that we
 * have is closed at exec. */
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
	/* Whatever it does now, it has said its last word. */
	if (pid > 0 && kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid &&
		WIFEXITED(status) && WEXITSTATUS(status) == UNPACK_NO_PROGRAM)
		return err_set(err, -ENOENT, ERR_INTERNAL, NULL, "%s can't be run", u->program);
	return r;
}
