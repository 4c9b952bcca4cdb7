/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child of ours goes into the container's user and mount namespaces, as its root, and walks or
 * builds there; this side builds or walks here, and a socket is all that joins them
 * (agent/ctl/ctl_tree.h). So a container's paths and links are resolved in the container, with the
 * rights of its root and nobody else's: they lead where they lead for it. Nothing of the container
 * is executed, neither sh nor tar of it.
 *
 * The child stays in the host's pid namespace and can't be traced or killed from inside. It has
 * the socket and /dev/null open, no directory of the host's, and isn't dumpable before it enters.
 *
 * Whose init that is, is asked before and after it is held by a descriptor: a number that was
 * given away again is noticed. */
#include "agent/ctl/ctl_inside.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_signal.h"
#include "agent/ctl/ctl_tree.h"
#include "proto/jsonx.h"

#define SOCKET_FD 3

struct copy {
	const char *inside; /* the container's path */
	const char *from;   /* in: whose name it gets; out: NULL */
	int pidfd, ends[2];
	pid_t child;
};

/* --- which one --- */

static enum ctl_exit ask_pid(const struct ctl *ctl, const char *id, pid_t *ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/containers/%s", id);
	_cleanup_json_ json_t *v = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &v, err);

	if (e != CTL_OK)
		return e;
	*ret = (pid_t)json_integer_value(json_object_get(v, "pid"));
	if (*ret > 0)
		return CTL_OK;
	(void)err_set(err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL, "the container doesn't run");
	return CTL_FAILED;
}

static enum ctl_exit hold(
	const struct ctl *ctl, const char *container, int *ret_pidfd, struct err *err)
{
	_cleanup_(freep) char *id = NULL;
	pid_t before = 0, after = 0;
	enum ctl_exit e = ctl_find(ctl, container, &id, err);

	if (e == CTL_OK)
		e = ask_pid(ctl, id, &before, err);
	if (e != CTL_OK)
		return e;
	*ret_pidfd = (int)syscall(SYS_pidfd_open, before, 0);
	e = ask_pid(ctl, id, &after, err);
	if (e != CTL_OK)
		return e;
	if (*ret_pidfd >= 0 && before == after)
		return CTL_OK;
	(void)err_set(
		err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL, "the container has just ended");
	return CTL_FAILED;
}

/* --- inside --- */

static int enter(int pidfd, int *socket)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_socket = fcntl(*socket, F_DUPFD_CLOEXEC, SOCKET_FD + 2),
	    high_pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, SOCKET_FD + 2);

	if (nothing < 0 || high_socket < 0 || high_pidfd < 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(nothing, i) < 0)
			return -errno;
	if (dup2(high_socket, SOCKET_FD) < 0 || dup2(high_pidfd, SOCKET_FD + 1) < 0 ||
		close_range(SOCKET_FD + 2, ~0u, 0) < 0)
		return -errno;
	*socket = SOCKET_FD;
	if (setns(SOCKET_FD + 1, CLONE_NEWUSER | CLONE_NEWNS) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || chdir("/") < 0)
		return -errno;
	(void)close(SOCKET_FD + 1);
	return 0;
}

static int send_out(const struct copy *c, int socket, struct err *err)
{
	_cleanup_(closep) int dir = open(c->inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL, "in the container: %.200s: %s",
			c->inside, strerror(errno));
	return ctl_tree_send(dir, socket, err);
}

static int receive_in(const struct copy *c, int socket, struct ctl_tree_told *told, struct err *err)
{
	_cleanup_(freep) char *name = NULL;
	_cleanup_(closep) int dir = -1;
	int r = ctl_tree_target(c->inside, c->from, &dir, &name, err);

	if (r >= 0)
		r = ctl_tree_receive(socket, dir, name, told, err);
	return r < 0 ? err_add(err, r, "in the container") : 0;
}

__attribute__((noreturn)) static void be_child(const struct copy *c, int socket)
{
	struct ctl_tree_told told = {};
	struct err err = {};
	static const int unheard[] = { SIGINT, SIGTERM, SIGHUP };
	int r = enter(c->pidfd, &socket);

	/* It ends with the other side, and takes what it has half made with it. */
	for (size_t i = 0; i < countof(unheard); i++)
		(void)signal(unheard[i], SIG_IGN);
	if (r < 0)
		(void)err_set(&err, r, ERR_INTERNAL, NULL, "can't go into the container: %s",
			strerror(-r));
	else
		r = c->from ? receive_in(c, socket, &told, &err) : send_out(c, socket, &err);
	if (c->from || r < 0)
		r = ctl_tree_tell(socket, &told, &err);
	_exit(r < 0);
}

/* --- here --- */

static enum ctl_exit begin(
	const struct ctl *ctl, const char *container, struct copy *c, struct err *err)
{
	enum ctl_exit e;

	if (geteuid() != 0)
		return err_set(err, -EPERM, ERR_INTERNAL, NULL,
			       "a directory is copied by root alone; a file by who may exec"),
		       CTL_FAILED;
	e = hold(ctl, container, &c->pidfd, err);
	if (e != CTL_OK)
		return e;
	(void)signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->ends) == 0) {
		c->child = fork();
		if (c->child == 0)
			be_child(c, c->ends[1]);
	}
	if (c->child <= 0)
		(void)err_set(err, -errno, ERR_INTERNAL, NULL, "no child can be made: %s",
			strerror(errno));
	c->ends[1] = closefd(c->ends[1]);
	if (c->child > 0)
		return CTL_OK;
	return CTL_FAILED;
}

static enum ctl_exit end(struct copy *c, int r, const struct ctl_tree_told *told)
{
	c->ends[0] = closefd(c->ends[0]);
	c->pidfd = closefd(c->pidfd);
	if (c->child > 0)
		(void)waitpid(c->child, NULL, 0);
	if (r >= 0 && told->skipped > 0)
		fprintf(stderr,
			"hoodyctl: %llu %s left out: no file, directory or link, or of another "
			"mount\n",
			(unsigned long long)told->skipped,
			told->skipped == 1 ? "entry was" : "entries were");
	return r < 0 ? CTL_FAILED : CTL_OK;
}

enum ctl_exit ctl_inside_copy_in(const struct ctl *ctl, const char *container, const char *from,
	const char *to, struct err *err)
{
	struct copy c = { .inside = to, .from = from, .pidfd = -1, .ends = { -1, -1 } };
	_cleanup_(closep) int dir = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ctl_tree_told told = {};
	struct err unsent = {};
	enum ctl_exit e;
	int r, heard;

	if (dir < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL, "%.200s: %s", from,
			       strerror(errno)),
		       CTL_FAILED;
	e = begin(ctl, container, &c, err);
	if (e != CTL_OK)
		return end(&c, 0, &told), e;
	r = ctl_tree_send(dir, c.ends[0], &unsent);
	if (r < 0)
		(void)shutdown(c.ends[0], SHUT_WR); /* it is cut off, and says so */
	heard = ctl_tree_hear(c.ends[0], &told, err);
	if (unsent.message[0] && unsent.errnum != EPIPE) /* the cause of what was heard */
		*err = unsent;
	return end(&c, MIN_OF(r, heard), &told);
}

/* Cut off, it clears away what has come so far. */
static volatile sig_atomic_t coming, ended_by;

static void on_end(int sig)
{
	ended_by = sig;
	(void)shutdown(coming, SHUT_RDWR);
}

enum ctl_exit ctl_inside_copy_out(const struct ctl *ctl, const char *container, const char *from,
	const char *to, struct err *err)
{
	struct copy c = { .inside = from, .pidfd = -1, .ends = { -1, -1 } };
	_cleanup_(freep) char *name = NULL;
	_cleanup_(closep) int dir = -1;
	struct ctl_tree_told told = {};
	enum ctl_exit e;
	int r;

	if (ctl_tree_target(to, from, &dir, &name, err) < 0)
		return CTL_USAGE;
	e = begin(ctl, container, &c, err);
	if (e != CTL_OK)
		return end(&c, 0, &told), e;
	coming = c.ends[0];
	ctl_signal_hear(on_end);
	r = ctl_tree_receive(c.ends[0], dir, name, &told, err);
	ctl_signal_hear(NULL);
	if (ended_by && r < 0)
		(void)raise(ended_by);
	return end(&c, r, &told);
}
