/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl exec and console: asks the agent for a worker, and then talks with that alone. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_pump.h"
#include "agent/ctl/ctl_text.h"
#include "proto/chanio.h"
#include "proto/jsonx.h"

#define BEGIN_TIMEOUT_MS 40000
#define ESCAPE           0x1d /* Ctrl-], as telnet(1) and virsh(1) have it */
#define COMMAND_MAX      (1024UL * 1024)

/* Of a container that says nothing of its own: what login would give. */
static const char *const shell[] = { "/bin/sh", "-c",
	"command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l", NULL };

struct session {
	int fd, theirs; /* the session's two ends */
	int pipes[3];   /* ours */
	int given[3];   /* the command's */
	bool terminal;
};

static void session_done(struct session *s)
{
	closefd(s->fd);
	closefd(s->theirs);
	for (size_t i = 0; i < 3; i++) {
		closefd(s->pipes[i]);
		closefd(s->given[i]);
	}
}

/* The three pipes, not our own descriptors: a container gets nothing of the host's. */
static int make_pipes(struct session *s)
{
	for (size_t i = 0; i < 3; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		s->pipes[i] = ends[i == 0];
		s->given[i] = ends[i != 0];
	}
	return 0;
}

static int send_frame(
	const struct session *s, const struct frame *f, const void *data, size_t size, int fd)
{
	return chanio_send_sync(s->fd, f, data, size, fd);
}

/* TERM and the command, each with its NUL. */
static int send_command(const struct session *s, const char *const *words)
{
	struct frame f = { .type = FRAME_SESSION_RUN, .a = s->terminal };
	const char *term = getenv("TERM");
	_cleanup_(freep) char *text = xcalloc(1, COMMAND_MAX);
	struct winsize size = {};
	size_t used;

	if (s->terminal && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
		f.b = size.ws_row;
		f.c = size.ws_col;
	}
	used = (size_t)snprintf(text, COMMAND_MAX, "%.100s", term ? term : "dumb") + 1;
	for (; *words; words++) {
		size_t len = strlen(*words) + 1;

		if (len > COMMAND_MAX - used)
			return -E2BIG;
		memcpy(text + used, *words, len);
		used += len;
	}
	for (size_t i = 0; !s->terminal && i < 3; i++) {
		struct frame stdio = { .type = FRAME_SESSION_STDIO, .a = i };
		int r = send_frame(s, &stdio, NULL, 0, s->given[i]);

		if (r < 0)
			return r;
	}
	return send_frame(s, &f, text, used, -1);
}

/* Which one, and may it be? The agent passes our end of the socket on to a worker. */
static enum ctl_exit attach(const struct ctl *ctl, const struct session *s, struct err *err)
{
	_cleanup_json_ json_t *status = NULL, *ask = NULL, *answer = NULL;
	_cleanup_(freep) char *id = NULL;
	enum ctl_exit e = ctl_ask(ctl, FRAME_CTL_STATUS, 0, &status, err);

	if (e == CTL_OK)
		e = ctl_find_container(
			json_object_get(status, "containers"), ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	ask = jsonx_pack("{s:s}", "container", id);
	return ctl_ask_with(ctl, FRAME_CTL_ATTACH, ask, s->theirs, &answer, err);
}

static enum ctl_exit begin(const struct session *s, int *ret_master, struct err *err)
{
	_cleanup_(freep) void *payload = NULL;
	_cleanup_json_ json_t *v = NULL;
	struct frame f;
	int r = chanio_recv_sync(s->fd, BEGIN_TIMEOUT_MS, &f, &payload, ret_master);

	if (r == 0 && f.type == FRAME_SESSION_BEGUN)
		return CTL_OK;
	if (r == 0 && f.type == FRAME_SESSION_FAILED &&
		jsonx_parse(payload, f.size, ERR_CHANNEL, &v, NULL) == 0)
		(void)err_set(err, -EREMOTEIO,
			ctl_text_of(v, "code") ? err_from_wire(ctl_text_of(v, "code"))
					       : ERR_INTERNAL,
			NULL, "%s (%s)", ctl_text_or_dash(ctl_text_of(v, "message")),
			ctl_text_or_dash(ctl_text_of(v, "code")));
	else
		(void)err_set(err, -ECONNRESET, ERR_CHANNEL, NULL, "the session did not begin: %s",
			r == -ENODATA ? "it was cut off" : strerror(-r));
	return CTL_FAILED;
}

static enum ctl_exit see_through(struct session *s, int escape, struct err *err)
{
	struct ctl_pump pump = { .session = s->fd, .terminal = -1, .escape = escape };
	enum ctl_exit e = begin(s, &pump.terminal, err);
	int status;

	if (e != CTL_OK)
		return e;
	if (escape >= 0 && isatty(STDERR_FILENO))
		fputs("Console; Ctrl-] leaves it.\n", stderr);
	for (size_t i = 0; i < 3; i++)
		pump.pipes[i] = take_fd(&s->pipes[i]);
	if (ctl_pump(&pump, &status) < 0) {
		(void)err_set(err, -ECONNRESET, ERR_CHANNEL, NULL, "the session was cut off");
		return CTL_FAILED;
	}
	if (pump.unwritten) {
		(void)err_set(err, -pump.unwritten, ERR_INTERNAL, NULL,
			"can't write the output: %s", strerror(pump.unwritten));
		return CTL_FAILED;
	}
	return (enum ctl_exit)status; /* the command's own */
}

static enum ctl_exit session(
	const struct ctl *ctl, const char *const *words, int escape, struct err *err)
{
	_cleanup_(session_done) struct session s = { -1, -1, { -1, -1, -1 }, { -1, -1, -1 },
		.terminal = !ctl->no_terminal && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
	struct frame console = { .type = FRAME_SESSION_CONSOLE };
	int ends[2], r = 0;
	enum ctl_exit e;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		r = -errno;
	if (r >= 0) {
		s.fd = ends[0];
		s.theirs = ends[1];
		if (words && !s.terminal)
			r = make_pipes(&s);
	}
	if (r >= 0)
		r = words ? send_command(&s, words) : send_frame(&s, &console, NULL, 0, -1);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL, "can't prepare the session: %s",
			       strerror(-r)),
		       CTL_FAILED;
	e = attach(ctl, &s, err);
	s.theirs = closefd(s.theirs);
	for (size_t i = 0; i < 3; i++)
		s.given[i] = closefd(s.given[i]);
	return e == CTL_OK ? see_through(&s, escape, err) : e;
}

enum ctl_exit ctl_session_exec(const struct ctl *ctl, struct err *err)
{
	return session(ctl, ctl->rest && *ctl->rest ? ctl->rest : shell, -1, err);
}

enum ctl_exit ctl_session_console(const struct ctl *ctl, struct err *err)
{
	enum ctl_exit e = session(ctl, NULL, ESCAPE, err);

	if (e == CTL_OK && isatty(STDERR_FILENO))
		fputs("\n", stderr);
	return e;
}
