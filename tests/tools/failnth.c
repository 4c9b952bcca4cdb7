/* SPDX-License-Identifier: GPL-2.0-or-later */
/* failnth SYSCALL[,SYSCALL…] N[*M] ERRNO|KILL|STOP -- COMMAND…: let the N-th such call of an
 * unmodified program fail (and those after it, M in all), or kill or stop the caller at it.
 *
 * The command runs under a seccomp filter that hands the named calls to us (seccomp_unotify(2));
 * all but the N-th go on untouched. The filter reaches every process that the command starts,
 * and so does the count, unless --program NAME names the only ones that count (as in
 * /proc/PID/comm, without its 15 characters' end). A call that is killed at has not happened.
 *
 * --log FILE gets one line, "hit N PID COMM", when the N-th call came, else it stays empty: a
 * loop over N = 1, 2, … is done when nothing was hit.
 *
 * --control PATH is a Unix socket for other plans while the command runs: a line "PROGRAM|*
 * CALLS|* N[*M] ERRNO|KILL|STOP" begins to count anew, for calls that the command line has
 * named; N is 0 where none shall fail. The answer tells of the time since the plan before: a
 * line "HITS CALL" (the first that was hit, or "-"), and then "COMM CALL COUNT" for each call
 * that came.
 *
 * Ends with the command's status (128 + signal when it was killed). A child of ours answers for
 * as long as anything lives that has the filter, for a filter without an answerer lets the calls
 * fail (ENOSYS): what outlives the command goes on as if nothing were. brk(2) knows no errors,
 * but an end of the heap that is below what was asked for: 0. Encoded facts:
 * seccomp_notify_respond(3); a KILLed caller's notification is void, which is what NOTIF_RESP
 * then says (ENOENT). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX          160
#define TALLIES_MAX        1024
#define LINE_SIZE          4096
#define COMM_SIZE          16 /* TASK_COMM_LEN */
#define NONE               (-1)
#define NOTIF_SET_FLAGS    _IOW('!', 4, uint64_t) /* linux/seccomp.h */
#define NOTIF_SYNC_WAKE_UP 1UL
#define STOP               (-2)

static const struct {
	const char *name;
	int value;
} errors[] = {
	{ "EIO", EIO },
	{ "ENOSPC", ENOSPC },
	{ "ENOMEM", ENOMEM },
	{ "EPERM", EPERM },
	{ "EACCES", EACCES },
	{ "EINTR", EINTR },
	{ "EAGAIN", EAGAIN },
	{ "EINVAL", EINVAL },
	{ "EMFILE", EMFILE },
	{ "ENOSYS", ENOSYS },
	{ "EPIPE", EPIPE },
	{ "ECONNRESET", ECONNRESET },
	{ "EBUSY", EBUSY },
	{ "ENOENT", ENOENT },
	{ "EROFS", EROFS },
	{ "EDQUOT", EDQUOT },
	{ "ENOBUFS", ENOBUFS },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "KILL", NONE },
	{ "STOP", STOP },
};

struct shared { /* with the child, before it has become the command */
	volatile int listener;
	volatile bool taken;
};

struct calls {
	int nr[CALLS_MAX];
	size_t n;
};

struct plan {
	struct calls calls;
	unsigned long nth, times;
	int error;               /* NONE: kill; or STOP */
	char program[COMM_SIZE]; /* empty: all */
	unsigned long seen, hits;
	int first; /* the call that was hit first */
};

struct tally {
	char comm[COMM_SIZE];
	int nr;
	unsigned long n;
};

struct failnth {
	struct calls filter; /* all that can be planned for */
	struct plan plan;
	struct tally tallies[TALLIES_MAX]; /* those beyond are not told of */
	size_t n_tallies;
	int log, control;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "failnth: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void bad(const char *what, const char *value)
{
	(void)fprintf(stderr,
		"failnth: %s \"%s\"\n"
		"failnth [--program NAME] [--log FILE] [--control PATH] SYSCALL[,SYSCALL] N[*M] "
		"ERRNO|KILL|STOP -- COMMAND\n",
		what, value);
	exit(125);
}

/* --- the command's side --- */

static int load_filter(const struct calls *calls)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	for (size_t i = 0; i < calls->n && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, calls->nr[i], 0);
	if (r >= 0)
		r = seccomp_load(ctx);
	if (r >= 0)
		r = seccomp_notify_fd(ctx);
	errno = r < 0 ? -r : 0;
	return r; /* the context stays: to release it is to close the listener */
}

static void become(const struct calls *calls, struct shared *shared, char **argv)
{
	int fd = load_filter(calls);

	shared->listener = fd < 0 ? -errno : fd;
	while (!shared->taken)
		(void)usleep(100);
	if (fd < 0)
		_exit(125);
	(void)close(fd);
	(void)execvp(argv[0], argv);
	die(argv[0]);
}

/* --- plans --- */

static bool has_call(const struct calls *c, int nr)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->nr[i] == nr)
			return true;
	return false;
}

/* Each returns what it can't read, or NULL. */
static const char *parse_calls(char *list, struct calls *ret)
{
	for (char *name; (name = strsep(&list, ","));) {
		int nr = seccomp_syscall_resolve_name(name);

		if (nr == __NR_SCMP_ERROR || ret->n == CALLS_MAX)
			return name;
		ret->nr[ret->n++] = nr;
	}
	return NULL;
}

static const char *parse_when(const char *text, struct plan *ret)
{
	char *end;

	ret->nth = strtoul(text, &end, 10);
	ret->times = *end == '*' ? strtoul(end + 1, &end, 10) : 1;
	return *end ? text : NULL;
}

static const char *parse_error(const char *name, struct plan *ret)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(errors[i].name, name) == 0) {
			ret->error = errors[i].value;
			return NULL;
		}
	}
	return name;
}

static void set_program(struct plan *p, const char *name)
{
	(void)snprintf(p->program, sizeof(p->program), "%s", name);
}

static const char *parse_plan(char *line, const struct calls *filter, struct plan *ret)
{
	const char *program = strsep(&line, " "), *wrong;
	char *calls = line ? strsep(&line, " ") : NULL, *when = line ? strsep(&line, " ") : NULL;

	if (!line)
		return "too few words";
	*ret = (struct plan){};
	if (strcmp(program, "*") != 0)
		set_program(ret, program);
	if (strcmp(calls, "*") == 0)
		ret->calls = *filter;
	else if ((wrong = parse_calls(calls, &ret->calls)))
		return wrong;
	for (size_t i = 0; i < ret->calls.n; i++)
		if (!has_call(filter, ret->calls.nr[i]))
			return "a call that the command line has not named";
	wrong = parse_when(when, ret);
	return wrong ? wrong : parse_error(line, ret);
}

/* --- our side --- */

static void read_comm(pid_t pid, char ret[static COMM_SIZE])
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, COMM_SIZE - 1);
	if (fd >= 0)
		(void)close(fd);
	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static void say_hit(const struct failnth *f, pid_t pid, const char *comm)
{
	if (f->log >= 0)
		(void)dprintf(f->log, "hit %lu %d %s\n", f->plan.nth, (int)pid, comm);
}

static void tally(struct failnth *f, const char *comm, int nr)
{
	struct tally *t = f->tallies;

	while (t < f->tallies + f->n_tallies && (t->nr != nr || strcmp(t->comm, comm) != 0))
		t++;
	if (t == f->tallies + TALLIES_MAX)
		return;
	if (t == f->tallies + f->n_tallies) {
		*t = (struct tally){ .nr = nr };
		(void)snprintf(t->comm, sizeof(t->comm), "%s", comm);
		f->n_tallies++;
	}
	t->n++;
}

static bool is_planned(struct plan *p, const struct seccomp_notif *req, const char *comm)
{
	if (!has_call(&p->calls, req->data.nr))
		return false;
	if (req->data.nr == SCMP_SYS(epoll_ctl) && req->data.args[1] == EPOLL_CTL_DEL)
		return false; /* takes nothing, so it can't fail, and nobody is prepared for it */
	if (p->program[0] && strncmp(comm, p->program, COMM_SIZE - 1) != 0)
		return false;
	p->seen++;
	return p->nth > 0 && p->seen >= p->nth && p->seen - p->nth < p->times;
}

/* False: none is given, so that a caller that is stopped makes its call when it is continued, and
 * not just before. */
static bool answer(struct failnth *f, int listener, const struct seccomp_notif *req,
	struct seccomp_notif_resp *resp)
{
	struct plan *p = &f->plan;
	char comm[COMM_SIZE];
	pid_t pid = (pid_t)req->pid;

	*resp = (struct seccomp_notif_resp){ .id = req->id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	read_comm(pid, comm);
	tally(f, comm, req->data.nr);
	if (!is_planned(p, req, comm))
		return true;
	if (seccomp_notify_id_valid(listener, req->id) != 0)
		return true; /* it was killed by someone else */
	if (p->hits++ == 0)
		p->first = req->data.nr;
	say_hit(f, pid, comm);
	if (p->error == NONE)
		(void)kill(pid, SIGKILL); /* waits in this call, so the pid is still its own */
	else if (p->error == STOP)
		(void)kill(pid, SIGSTOP);
	else if (req->data.nr == SCMP_SYS(brk))
		*resp = (struct seccomp_notif_resp){
			.id = req->id
		}; /* not moved as far as asked */
	else
		*resp = (struct seccomp_notif_resp){ .id = req->id, .error = -p->error };
	return p->error != STOP;
}

static void say_call(int fd, const char *before, int nr, const char *after)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

	(void)dprintf(fd, "%s %s%s\n", before, name ? name : "?", after);
	free(name);
}

static void say_tallies(struct failnth *f, int fd)
{
	char count[32], hits[32];

	(void)snprintf(hits, sizeof(hits), "%lu", f->plan.hits);
	if (f->plan.hits > 0)
		say_call(fd, hits, f->plan.first, "");
	else
		(void)dprintf(fd, "0 -\n");
	for (size_t i = 0; i < f->n_tallies; i++) {
		(void)snprintf(count, sizeof(count), " %lu", f->tallies[i].n);
		say_call(fd, f->tallies[i].comm, f->tallies[i].nr, count);
	}
}

/* One line, one answer, and the connection is done. Whoever connects is the test itself, and
 * doesn't keep us waiting. */
static void take_plan(struct failnth *f)
{
	int fd = accept4(f->control, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;
	char line[LINE_SIZE];
	struct plan plan;
	const char *wrong;

	if (fd < 0)
		return;
	n = recv(fd, line, sizeof(line) - 1, 0);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	wrong = parse_plan(line, &f->filter, &plan);
	if (wrong) {
		(void)dprintf(fd, "failnth: what is \"%s\"?\n", wrong);
	} else {
		say_tallies(f, fd);
		f->plan = plan;
		f->n_tallies = 0;
	}
	(void)close(fd);
}

/* Everybody waits for us at every call: an answer must not wait for its turn on a busy machine.
 * Both are for speed alone (Linux 6.6 wakes us on the caller's processor). */
static void hurry(int listener)
{
	(void)ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
	(void)setpriority(PRIO_PROCESS, 0, -20);
}

/* Until nobody is left that has the filter (POLLHUP). */
static void serve(struct failnth *f, int listener)
{
	struct seccomp_notif *req = NULL;
	struct seccomp_notif_resp *resp = NULL;

	if (seccomp_notify_alloc(&req, &resp) < 0)
		die("notifications");
	for (;;) {
		struct pollfd fds[] = { { .fd = listener, .events = POLLIN },
			{ .fd = f->control, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents & POLLIN)
			take_plan(f);
		if (fds[0].revents & POLLIN) {
			memset(req, 0, sizeof(*req)); /* the kernel asks for zeros */
			if (seccomp_notify_receive(listener, req) < 0)
				continue; /* the caller died meanwhile */
			if (answer(f, listener, req, resp))
				(void)seccomp_notify_respond(
					listener, resp); /* killed: nobody waits for it */
		} else if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
			break;
		}
	}
	seccomp_notify_free(req, resp);
}

static int take_listener(pid_t child, struct shared *shared)
{
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0), fd;

	while (shared->listener == 0)
		(void)usleep(100);
	if (pidfd < 0 || shared->listener < 0) {
		errno = shared->listener < 0 ? -shared->listener : errno;
		shared->taken = true;
		die("can't load the filter");
	}
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, shared->listener, 0);
	if (fd < 0)
		die("can't take the listener");
	(void)close(pidfd);
	return fd;
}

/* The one that answers is no child of the command, and holds none of the descriptors that somebody
 * may wait for. */
static pid_t start_answerer(struct failnth *f, int listener)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(open("/dev/null", O_RDWR), fd);
	(void)setsid();
	hurry(listener);
	serve(f, listener);
	_exit(0);
}

static pid_t child_pid;

static void pass_on(int sig)
{
	if (child_pid > 0)
		(void)kill(child_pid, sig);
}

static int run(struct failnth *f, char **argv)
{
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener, status;

	if (shared == MAP_FAILED)
		die("mmap");
	child_pid = fork();
	if (child_pid < 0)
		die("fork");
	if (child_pid == 0)
		become(&f->filter, shared, argv);
	listener = take_listener(child_pid, shared);
	(void)start_answerer(f, listener);
	(void)close(listener);
	(void)signal(SIGTERM, pass_on);
	(void)signal(SIGINT, pass_on);
	(void)signal(SIGHUP, pass_on);
	shared->taken = true;
	while (waitpid(child_pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- the command line --- */

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		bad("too long a path:", path);
	(void)memcpy(address.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 8) < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "program", required_argument, NULL, 'p' },
		{ "log", required_argument, NULL, 'l' },
		{ "control", required_argument, NULL, 'c' },
		{},
	};
	static struct failnth f = { .log = NONE, .control = NONE };
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		if (c == 'p')
			set_program(&f.plan, optarg);
		else if (c == 'l')
			f.log = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		else if (c == 'c')
			f.control = listen_at(optarg);
		else
			bad("what is", argv[optind - 1]);
	}
	argv += optind;
	argc -= optind;
	if (argc < 5 || strcmp(argv[3], "--") != 0)
		bad("too few arguments after", argc > 0 ? argv[0] : "failnth");
	wrong = parse_calls(argv[0], &f.filter);
	if (!wrong)
		wrong = parse_when(argv[1], &f.plan);
	if (!wrong)
		wrong = parse_error(argv[2], &f.plan);
	if (wrong)
		bad("what is", wrong);
	if (f.plan.nth == 0 && f.control < 0)
		bad("not a number above 0:", argv[1]);
	f.plan.calls = f.filter;
	return run(&f, argv + 4);
}
