/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Up to three flows, each with a buffer: what comes is read while there is room, and written when
 * who takes it has room. They, the session's socket and signals are waited for in one place, and
 * what is written at once is no more than is sure to fit, so that who doesn't read is in nobody's
 * way, nor in a signal's. With a flow's end goes what is the session's of it. What the command had
 * written when it ended is passed on, and no more. */
#include "agent/ctl/ctl_pump.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "proto/chanio.h"
#include "proto/frame.h"

#define FLOW_SIZE 65536

/* One way. With its end goes what is the session's of it, so that the other side hears of it. */
struct flow {
	int from, to;
	bool owns_from, owns_to;
	int failed; /* errno of a write, but for EPIPE: who has had enough */
	size_t start, end;
	char data[FLOW_SIZE];
};

enum { IN, OUT, ERR, FLOWS };

static const int heard[] = { SIGWINCH, SIGTERM, SIGHUP };

static volatile sig_atomic_t resized, ended_by;

/* As they were before the session. */
struct signals {
	struct sigaction actions[countof(heard)];
	sigset_t mask;
};

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else
		ended_by = sig;
}

/* In ppoll alone, so that none comes between a look and the wait. */
static void hear(struct signals *ret_before)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < countof(heard); i++) {
		struct sigaction *was = &ret_before->actions[i];

		(void)sigaddset(&mask, heard[i]);
		if (sigaction(heard[i], NULL, was) == 0 && was->sa_handler != SIG_IGN)
			(void)sigaction(heard[i], &action, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &mask, &ret_before->mask);
}

/* What follows the session may have an end of its own to come to. */
static void hear_no_more(const struct signals *before)
{
	for (size_t i = 0; i < countof(heard); i++)
		(void)sigaction(heard[i], &before->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

static void pass_size(int terminal)
{
	struct winsize size;

	if (terminal >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(terminal, TIOCSWINSZ, &size);
}

/* Raw: what is typed is the container's business, Ctrl-C too. */
static bool make_raw(struct termios *ret_before)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, ret_before) < 0)
		return false;
	t = *ret_before;
	cfmakeraw(&t);
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

/* --- flows --- */

static void shut(struct flow *f)
{
	if (f->owns_from)
		f->from = closefd(f->from);
	if (f->owns_to)
		f->to = closefd(f->to);
	f->from = -1;
	f->to = -1;
}

/* False: nothing more will come. */
static bool fill(struct flow *f)
{
	ssize_t n;

	if (f->end == sizeof(f->data))
		return true;
	n = read(f->from, f->data + f->end, sizeof(f->data) - f->end);
	if (n > 0)
		f->end += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* No more than a pipe with room takes at once (pipe(7)): who doesn't read must not hold us, for no
 * signal is heard meanwhile. */
static bool drain(struct flow *f)
{
	ssize_t n = write(f->to, f->data + f->start, MIN_OF(f->end - f->start, (size_t)PIPE_BUF));

	if (n > 0)
		f->start += (size_t)n;
	if (f->start == f->end)
		f->start = f->end = 0;
	if (n >= 0 || errno == EAGAIN || errno == EINTR)
		return true;
	f->failed = errno == EPIPE ? 0 : errno;
	return false;
}

/* False: nobody will read it, or we are to end. */
static bool await_room(const struct flow *f, const struct signals *signals)
{
	struct pollfd to = { .fd = f->to, .events = POLLOUT };

	while (!ended_by)
		if (ppoll(&to, 1, NULL, &signals->mask) > 0)
			return true;
		else if (errno != EINTR)
			return false;
	return false;
}

/* What has been written already must not be lost with the command's end: neither what is in the
 * pipe, nor, when that has ended before, what we have of it. What others in there go on writing is
 * not waited for; a terminal has been taken from them. */
static void drain_all(struct flow *f, const struct signals *signals)
{
	int left = 0;

	(void)fcntl(f->from, F_SETFL, O_NONBLOCK);
	if (f->owns_from)
		(void)ioctl(f->from, FIONREAD, &left);
	for (;;) {
		while (f->start < f->end)
			if (!await_room(f, signals) || !drain(f))
				return;
		if ((f->owns_from && left <= 0) || !fill(f) || f->end == 0)
			return;
		left -= (int)f->end;
	}
}

/* Returns whether the escape was typed; everything before it goes through. */
static bool find_escape(struct flow *in, int escape)
{
	char *at = escape < 0 ? NULL : memchr(in->data + in->start, escape, in->end - in->start);

	if (at)
		in->end = (size_t)(at - in->data);
	return at;
}

static void prepare(struct ctl_pump *p, struct flow *flows)
{
	bool terminal = p->terminal >= 0;

	flows[IN] = (struct flow){ .from = STDIN_FILENO,
		.to = terminal ? p->terminal : p->pipes[0],
		.owns_to = !terminal };
	flows[OUT] = (struct flow){ .from = terminal ? p->terminal : p->pipes[1],
		.owns_from = !terminal,
		.to = STDOUT_FILENO };
	flows[ERR] = (struct flow){
		.from = terminal ? -1 : p->pipes[2], .owns_from = !terminal, .to = STDERR_FILENO
	};
	/* Only the way in may be full while the command waits for us to read: it must not hold
	 * us. */
	(void)fcntl(flows[IN].to, F_SETFL, O_NONBLOCK);
}

static void watch(const struct flow *f, struct pollfd fds[static 2])
{
	bool room = f->end < sizeof(f->data), full = f->start < f->end;

	fds[0] = (struct pollfd){ .fd = room ? f->from : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = full ? f->to : -1, .events = POLLOUT };
}

/* False: the escape was typed. */
static bool move(struct flow *f, const struct pollfd fds[static 2], int escape)
{
	bool more = !fds[0].revents || fill(f);

	if (find_escape(f, escape)) {
		while (f->start < f->end && drain(f))
			;
		return false;
	}
	if (fds[1].revents && !drain(f)) {
		f->start = f->end = 0;
		shut(f); /* nobody reads it any more: let the command know */
	}
	if (!more && f->owns_from)
		f->from = closefd(f->from);
	else if (!more)
		f->from = -1;
	if (f->from < 0 && f->to >= 0 && f->start == f->end)
		shut(f);
	return true;
}

/* One look at everything. 1: go on; 0: the session has ended. */
static int turn(
	struct ctl_pump *p, struct flow *flows, const sigset_t *signals, struct frame *ret_end)
{
	struct pollfd fds[2 * FLOWS + 1];
	_cleanup_(freep) void *payload = NULL;
	_cleanup_(closep) int extra = -1;

	for (size_t i = 0; i < FLOWS; i++)
		watch(&flows[i], &fds[2 * i]);
	fds[2 * FLOWS] = (struct pollfd){ .fd = p->session, .events = POLLIN };
	if (ppoll(fds, countof(fds), NULL, signals) < 0)
		return errno == EINTR ? 1 : -errno;
	for (size_t i = 0; i < FLOWS; i++)
		if (!move(&flows[i], &fds[2 * i], i == IN ? p->escape : -1))
			return 0;
	if (!fds[2 * FLOWS].revents)
		return 1;
	if (chanio_recv_sync(p->session, 0, ret_end, &payload, &extra) < 0 ||
		ret_end->type != FRAME_SESSION_ENDED)
		return -ECONNRESET;
	return 0;
}

int ctl_pump(struct ctl_pump *p, int *ret_status)
{
	struct signals signals;
	struct frame end = {};
	struct termios before;
	struct flow *flows = xcalloc(FLOWS, sizeof(*flows));
	bool raw = p->terminal >= 0 && make_raw(&before);
	int r;

	hear(&signals);
	(void)signal(SIGPIPE, SIG_IGN);
	pass_size(p->terminal);
	prepare(p, flows);
	do {
		if (resized)
			pass_size(p->terminal);
		resized = 0;
		r = ended_by ? -ECONNRESET : turn(p, flows, &signals.mask, &end);
	} while (r > 0);
	drain_all(&flows[OUT], &signals);
	drain_all(&flows[ERR], &signals);
	if (raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	hear_no_more(&signals);
	p->unwritten = flows[OUT].failed;
	*ret_status = end.b ? 128 + (int)end.b : (int)end.a;
	free(flows);
	return ended_by ? -ECONNRESET : r;
}
