/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/worker/worker_session.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lxc/ctattach.h"
#include "lxc/ctprobe.h"
#include "proto/chanio.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define ASK_TIMEOUT_MS  5000
#define START_TIMEOUT_S 30
#define END_MS          500 /* that one who is killed takes to be gone */

struct session {
	struct ctlife *life;
	int fd;
	int stdio[3];
	struct frame ask;
	char *text; /* of the command */
};

static void session_done(struct session *s)
{
	for (size_t i = 0; i < countof(s->stdio); i++)
		closefd(s->stdio[i]);
	free(s->text);
}

/* Nobody there any more: no matter, the session ends for it by itself. */
static void send_to(const struct session *s, const struct frame *f, const char *text, int fd)
{
	if (chanio_send_sync(s->fd, f, text, text ? strlen(text) : 0, fd) < 0)
		return;
}

static void tell(const struct session *s, enum frame_type type, uint64_t a, uint64_t b, int fd)
{
	send_to(s, &(struct frame){ .type = (uint16_t)type, .a = a, .b = b }, NULL, fd);
}

/* By now. The groups are asked anew: who has entered a container has none open. */
static bool has_ended(const struct ctlife *l)
{
	_cleanup_(closep) int pidfd = -1;
	struct ctgroup *g = NULL;
	struct err ignored;
	int r = ctgroup_open(l->paths.cgroup_prefix, &g, &ignored);

	if (r >= 0)
		r = ctprobe_find(g, l->spec.id, NULL, &pidfd, &ignored);
	(void)ctgroup_close(g);
	return r == CTPROBE_ABSENT || r == CTPROBE_PARTIAL ||
	       (r > CTPROBE_PARTIAL &&
		       poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, END_MS) > 0);
}

/* Whatever can't be done in a container that ends meanwhile is no fault. */
static void tell_failed(const struct session *s, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	_cleanup_(freep) char *text = NULL;

	if (s->life && err->code == ERR_INTERNAL && has_ended(s->life))
		(void)err_set(err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL,
			"the container has ended meanwhile");
	v = errjson_make(err);
	text = jsonx_dump(v);

	send_to(s, &(struct frame){ .type = FRAME_SESSION_FAILED }, text, -1);
}

/* --- what is wanted --- */

static int read_ask(struct session *s, struct err *err)
{
	for (;;) {
		_cleanup_(freep) void *payload = NULL;
		_cleanup_(closep) int fd = -1;
		int r = chanio_recv_sync(s->fd, ASK_TIMEOUT_MS, &s->ask, &payload, &fd);

		if (r == 0 && s->ask.type == FRAME_SESSION_STDIO && s->ask.a < countof(s->stdio) &&
			fd >= 0) {
			closefd(s->stdio[s->ask.a]);
			s->stdio[s->ask.a] = take_fd(&fd);
			continue;
		}
		if (r == 0 && s->ask.type == FRAME_SESSION_CONSOLE)
			return 0;
		if (r == 0 && s->ask.type == FRAME_SESSION_RUN && s->ask.size > 0 &&
			((char *)payload)[s->ask.size - 1] == '\0') {
			s->text = TAKE(payload);
			return 0;
		}
		return err_set(err, r < 0 ? r : -EBADMSG, ERR_CHANNEL, NULL,
			"the session's wish is not understood");
	}
}

/* The first string is TERM's value, the command are those behind it: a list that ends with NULL,
 * the caller's, its words not. */
static char **split(char *text, size_t size)
{
	char **words = xcalloc(size + 1, sizeof(*words)); /* no word is shorter than its NUL */
	size_t n = 0;

	for (char *at = text + strlen(text) + 1; at < text + size; at += strlen(at) + 1)
		words[n++] = at;
	return words;
}

/* --- to its end --- */

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Until the process ends, or for ever after the other side has gone: a terminal's closing has told
 * the command by then, and without one it is told here, once. */
static void wait_for(const struct session *s, pid_t pid, int pidfd)
{
	struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = s->fd } };

	while (!(p[0].revents & POLLIN)) {
		if (poll(p, countof(p), -1) < 0 && errno != EINTR)
			return;
		if (p[1].fd >= 0 && p[1].revents) {
			p[1].fd = -1;
			if (pid > 0)
				(void)kill(pid, SIGHUP); /* our child: its pid is its own */
			else
				return;
		}
	}
}

static void run(struct session *s)
{
	_cleanup_(freep) char **words = split(s->text, s->ask.size);
	struct ctattach command = {
		.argv = words,
		.term = s->text,
		.terminal = s->ask.a == 1,
		.rows = (unsigned short)s->ask.b,
		.columns = (unsigned short)s->ask.c,
		.stdio = { s->stdio[0], s->stdio[1], s->stdio[2] },
	};
	_cleanup_(closep) int master = -1, pidfd = -1;
	struct err err = {};
	siginfo_t si = {};
	pid_t pid;
	int r = 0;

	if (!words[0] ||
		(!command.terminal && (s->stdio[0] < 0 || s->stdio[1] < 0 || s->stdio[2] < 0)))
		r = err_set(&err, -EBADMSG, ERR_CHANNEL, NULL, "a session without a command");
	(void)alarm(START_TIMEOUT_S);
	if (r >= 0)
		r = ctattach_run(s->life, &command, &pid, &master, &err);
	(void)alarm(0);
	if (r < 0) {
		tell_failed(s, &err);
		return;
	}
	for (size_t i = 0; i < countof(s->stdio); i++)
		s->stdio[i] = closefd(s->stdio[i]); /* the command's end is the end of its pipes */
	pidfd = open_pidfd(pid);
	tell(s, FRAME_SESSION_BEGUN, 0, 0, master);
	master = closefd(master); /* the other side's closing is then a hang-up of the terminal */
	wait_for(s, pid, pidfd);
	(void)waitid(P_PID, (id_t)pid, &si, WEXITED);
	tell(s, FRAME_SESSION_ENDED, si.si_code == CLD_EXITED ? (uint64_t)si.si_status : 0,
		si.si_code == CLD_EXITED ? 0 : (uint64_t)si.si_status, -1);
}

static void console(struct session *s)
{
	_cleanup_(closep) int master = -1, hold = -1, pidfd = -1;
	struct err err = {};
	int r;

	(void)alarm(START_TIMEOUT_S);
	r = ctattach_console(s->life, &master, &hold, &err);
	(void)alarm(0);
	if (r >= 0)
		r = ctprobe_find(s->life->groups, s->life->spec.id, NULL, &pidfd, &err);
	if (r >= 0 && r < CTPROBE_RUNNING)
		r = err_set(&err, -ESRCH, ERR_OPERATION_STATE_CONFLICT, NULL,
			"the container does not run");
	if (r < 0) {
		tell_failed(s, &err);
		return;
	}
	tell(s, FRAME_SESSION_BEGUN, 0, 0, master);
	master = closefd(master);
	wait_for(s, 0, pidfd);
	tell(s, FRAME_SESSION_ENDED, 0, 0, -1);
}

void worker_session_refuse(int fd, struct err *err)
{
	tell_failed(&(struct session){ .fd = fd }, err);
}

void worker_session(struct ctlife *l, int fd)
{
	_cleanup_(session_done) struct session s = { .life = l, .fd = fd, .stdio = { -1, -1, -1 } };
	struct err err = {};

	(void)prctl(PR_SET_PDEATHSIG, 0); /* a session outlives the agent */
	if (read_ask(&s, &err) < 0 || (ctgroup_join_worker(l->groups, l->spec.id) < 0 &&
					      err_set(&err, -EIO, ERR_INTERNAL, NULL,
						      "can't enter the container's cgroup") < 0))
		tell_failed(&s, &err);
	else if (s.ask.type == FRAME_SESSION_CONSOLE)
		console(&s);
	else
		run(&s);
}
