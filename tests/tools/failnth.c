/* SPDX-License-Identifier: GPL-2.0-or-later */
/* failnth SYSCALL[,SYSCALL…] N ERRNO|KILL -- COMMAND…: let the N-th such call of an unmodified
 * program fail, or kill the caller at it.
 *
 * The command runs under a seccomp filter that hands the named calls to us (seccomp_unotify(2));
 * all but the N-th go on untouched. The filter reaches every process that the command starts, and
 * so does the count, unless --program NAME names the only ones that count (as in /proc/PID/comm,
 * without its 15 characters' end). A call that is killed at has not happened.
 *
 * --log FILE gets one line, "hit N PID COMM", when the N-th call came, else it stays empty: a loop
 * over N = 1, 2, … is done when nothing was hit.
 *
 * Ends with the command's status (128 + signal when it was killed). A child of ours answers for as
 * long as anything lives that has the filter, for a filter without an answerer lets the calls fail
 * (ENOSYS): what outlives the command goes on as if nothing were. Encoded facts:
 * seccomp_notify_respond(3); a KILLed caller's notification is void, which is what NOTIF_RESP then
 * says (ENOENT). */
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
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 16
#define COMM_SIZE 16 /* TASK_COMM_LEN */
#define NONE      (-1)

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
	{ "KILL", NONE },
};

struct shared { /* with the child, before it has become the command */
	volatile int listener;
	volatile bool taken;
};

struct plan {
	int calls[CALLS_MAX];
	size_t n_calls;
	unsigned long nth, seen;
	int error; /* NONE: kill */
	const char *program;
	int log;
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
		"failnth [--program NAME] [--log FILE] SYSCALL[,SYSCALL] N ERRNO|KILL -- COMMAND\n",
		what, value);
	exit(125);
}

/* --- the command's side --- */

static int load_filter(const struct plan *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	for (size_t i = 0; i < p->n_calls && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, p->calls[i], 0);
	if (r >= 0)
		r = seccomp_load(ctx);
	if (r >= 0)
		r = seccomp_notify_fd(ctx);
	errno = r < 0 ? -r : 0;
	return r; /* the context stays: to release it is to close the listener */
}

static void become(const struct plan *p, struct shared *shared, char **argv)
{
	int fd = load_filter(p);

	shared->listener = fd < 0 ? -errno : fd;
	while (!shared->taken)
		(void)usleep(100);
	if (fd < 0)
		_exit(125);
	(void)close(fd);
	(void)execvp(argv[0], argv);
	die(argv[0]);
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

static void say_hit(const struct plan *p, pid_t pid, const char *comm)
{
	if (p->log >= 0)
		(void)dprintf(p->log, "hit %lu %d %s\n", p->nth, (int)pid, comm);
}

static void answer(struct plan *p, int listener, const struct seccomp_notif *req,
	struct seccomp_notif_resp *resp)
{
	char comm[COMM_SIZE];
	pid_t pid = (pid_t)req->pid;

	*resp = (struct seccomp_notif_resp){ .id = req->id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	read_comm(pid, comm);
	if (p->program && strncmp(comm, p->program, COMM_SIZE - 1) != 0)
		return;
	if (++p->seen != p->nth)
		return;
	if (seccomp_notify_id_valid(listener, req->id) != 0)
		return; /* it was killed by someone else */
	say_hit(p, pid, comm);
	if (p->error == NONE)
		(void)kill(pid, SIGKILL); /* waits in this call, so the pid is still its own */
	else
		*resp = (struct seccomp_notif_resp){ .id = req->id, .error = -p->error };
}

/* Until nobody is left that has the filter (POLLHUP). */
static void serve(struct plan *p, int listener)
{
	struct seccomp_notif *req = NULL;
	struct seccomp_notif_resp *resp = NULL;

	if (seccomp_notify_alloc(&req, &resp) < 0)
		die("notifications");
	for (;;) {
		struct pollfd pfd = { .fd = listener, .events = POLLIN };

		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			break;
		if (pfd.revents & POLLIN) {
			memset(req, 0, sizeof(*req)); /* the kernel asks for zeros */
			if (seccomp_notify_receive(listener, req) < 0)
				continue; /* the caller died meanwhile */
			answer(p, listener, req, resp);
			(void)seccomp_notify_respond(
				listener, resp); /* killed: nobody waits for it */
		} else if (pfd.revents & (POLLHUP | POLLERR | POLLNVAL)) {
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
static pid_t start_answerer(struct plan *p, int listener)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(open("/dev/null", O_RDWR), fd);
	(void)setsid();
	serve(p, listener);
	_exit(0);
}

static pid_t child_pid;

static void pass_on(int sig)
{
	if (child_pid > 0)
		(void)kill(child_pid, sig);
}

static int run(struct plan *p, char **argv)
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
		become(p, shared, argv);
	listener = take_listener(child_pid, shared);
	(void)start_answerer(p, listener);
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

static void parse_calls(struct plan *p, char *list)
{
	for (char *name; (name = strsep(&list, ",")); p->n_calls++) {
		int nr = seccomp_syscall_resolve_name(name);

		if (nr == __NR_SCMP_ERROR || p->n_calls == CALLS_MAX)
			bad("no such system call", name);
		p->calls[p->n_calls] = nr;
	}
}

static int parse_error(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].value;
	bad("no such error", name);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "program", required_argument, NULL, 'p' },
		{ "log", required_argument, NULL, 'l' },
		{},
	};
	struct plan p = { .log = NONE };
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		if (c == 'p')
			p.program = optarg;
		else if (c == 'l')
			p.log = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		else
			bad("what is", argv[optind - 1]);
	}
	argv += optind;
	argc -= optind;
	if (argc < 5 || strcmp(argv[3], "--") != 0)
		bad("too few arguments after", argc > 0 ? argv[0] : "failnth");
	parse_calls(&p, argv[0]);
	p.nth = strtoul(argv[1], NULL, 10);
	p.error = parse_error(argv[2]);
	if (p.nth == 0)
		bad("not a number above 0:", argv[1]);
	return run(&p, argv + 4);
}
