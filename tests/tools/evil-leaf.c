/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evil-leaf: a leaf that somebody has taken over, as far as the kernel can tell: of its ids,
 * without capabilities or a way to new ones, and with the filter of its role or, to see what the
 * ids are worth alone, without one.
 *
 *   evil-leaf ROLE UID GID tries yes|no PID...
 *       each attack on each process: "what pid outcome", a line each
 *   evil-leaf ROLE UID GID hold
 *       takes of what the kernel counts by user, says so, waits for an end of file
 *   evil-leaf ROLE UID GID has
 *       what it gets of that: "pipe BYTES threads N passes yes|no"
 *
 * Nothing is done that the other would notice, were it allowed: limits, priorities and processors
 * are set as they are. */
#include <fcntl.h>
#include <grp.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "proto/sandbox.h"

#define HARMLESS    SIGURG /* ignored, where nobody has asked for it */
#define IOPRIO_SELF 1      /* IOPRIO_WHO_PROCESS */
#define SENT_FDS    200    /* by one message; the kernel takes 253 */
#define MESSAGES    15
#define PIPES       1100 /* a page of data each would do; a user has 16,384 pages for all */
#define PIPE_BYTES  (64 << 10)
#define THREADS     200

static struct leaf {
	enum sandbox_role role;
	uid_t uid;
	gid_t gid;
} self;

/* --- attacks: 0, or < 0 with errno --- */

static long by_kill(pid_t pid)
{
	return kill(pid, HARMLESS);
}

static long by_tgkill(pid_t pid)
{
	return syscall(SYS_tgkill, pid, pid, HARMLESS);
}

static long by_tkill(pid_t pid)
{
	return syscall(SYS_tkill, pid, HARMLESS);
}

static long by_sigqueue(pid_t pid)
{
	return sigqueue(pid, HARMLESS, (union sigval){});
}

static long by_pidfd(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	return fd < 0 ? fd : pidfd_send_signal(fd, HARMLESS, NULL, 0);
}

static long by_owner(pid_t pid)
{
	int fds[2], r = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

	/* Whether a signal comes can't be seen: the setting is what counts, where kill(2) says that
	 * it would. */
	return r < 0 || fcntl(fds[0], F_SETOWN, pid) < 0 || fcntl(fds[0], F_SETSIG, HARMLESS) < 0
		       ? -1
		       : kill(pid, 0);
}

static long by_prlimit(pid_t pid)
{
	struct rlimit now;

	return prlimit(pid, RLIMIT_NOFILE, NULL, &now) < 0
		       ? -1
		       : prlimit(pid, RLIMIT_NOFILE, &now, NULL);
}

static long by_ptrace(pid_t pid)
{
	return ptrace(PTRACE_SEIZE, pid, NULL, NULL);
}

/* Nothing is mapped at 0: who may is told so only then. */
static long by_memory_call(long call, pid_t pid)
{
	char byte = 0;
	struct iovec mine = { &byte, 1 }, other = { NULL, 1 };

	return syscall(call, pid, &mine, 1, &other, 1, 0) < 0 && errno != EFAULT ? -1 : 0;
}

static long by_reading(pid_t pid)
{
	return by_memory_call(SYS_process_vm_readv, pid);
}

static long by_writing(pid_t pid)
{
	return by_memory_call(SYS_process_vm_writev, pid);
}

static long by_descriptor(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	return fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, 3, 0);
}

static long by_kcmp(pid_t pid)
{
	return syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0);
}

static long by_setpriority(pid_t pid)
{
	return setpriority(PRIO_PROCESS, (id_t)pid, getpriority(PRIO_PROCESS, (id_t)pid));
}

/* All processes of a user: those of its own alone are no harm. */
static long by_users_priority(pid_t pid)
{
	char path[32], line[256] = "";
	FILE *f;
	uid_t uid = (uid_t)-1;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %u", &uid) == 1)
			break;
	if (f)
		(void)fclose(f);
	errno = EPERM;
	return uid != getuid() ? -1
			       : setpriority(PRIO_USER, uid, getpriority(PRIO_PROCESS, (id_t)pid));
}

static long by_ioprio(pid_t pid)
{
	long now = syscall(SYS_ioprio_get, IOPRIO_SELF, pid);

	return now < 0 ? now : syscall(SYS_ioprio_set, IOPRIO_SELF, pid, now);
}

static long by_processors(pid_t pid)
{
	cpu_set_t set;

	return sched_getaffinity(pid, sizeof(set), &set) < 0
		       ? -1
		       : sched_setaffinity(pid, sizeof(set), &set);
}

static long by_scheduler(pid_t pid)
{
	return sched_setscheduler(pid, SCHED_OTHER, &(struct sched_param){});
}

static long by_pages(pid_t pid)
{
	return syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0);
}

static long by_migration(pid_t pid)
{
	unsigned long nodes = 1;

	return syscall(SYS_migrate_pages, pid, 8 * sizeof(nodes), &nodes, &nodes);
}

static long by_robust_list(pid_t pid)
{
	void *head;
	size_t size;

	return syscall(SYS_get_robust_list, pid, &head, &size);
}

static long by_counters(pid_t pid)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1 };

	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0);
}

static long by_file(pid_t pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static long by_memory(pid_t pid)
{
	return by_file(pid, "mem");
}

static long by_environment(pid_t pid)
{
	return by_file(pid, "environ");
}

static long by_descriptors(pid_t pid)
{
	return by_file(pid, "fd");
}

static long by_root(pid_t pid)
{
	return by_file(pid, "root");
}

static const struct {
	const char *what;
	long (*act)(pid_t pid);
} attacks[] = {
	{ "kill", by_kill },
	{ "tgkill", by_tgkill },
	{ "tkill", by_tkill },
	{ "sigqueue", by_sigqueue },
	{ "pidfd_send_signal", by_pidfd },
	{ "F_SETOWN", by_owner },
	{ "prlimit", by_prlimit },
	{ "ptrace", by_ptrace },
	{ "process_vm_readv", by_reading },
	{ "process_vm_writev", by_writing },
	{ "pidfd_getfd", by_descriptor },
	{ "kcmp", by_kcmp },
	{ "setpriority", by_setpriority },
	{ "PRIO_USER", by_users_priority },
	{ "ioprio_set", by_ioprio },
	{ "sched_setaffinity", by_processors },
	{ "sched_setscheduler", by_scheduler },
	{ "move_pages", by_pages },
	{ "migrate_pages", by_migration },
	{ "get_robust_list", by_robust_list },
	{ "perf_event_open", by_counters },
	{ "proc/mem", by_memory },
	{ "proc/environ", by_environment },
	{ "proc/fd", by_descriptors },
	{ "proc/root", by_root },
};

/* --- who it is --- */

static void become(bool filtered)
{
	struct err err = {};

	for (int cap = 0; cap < 64; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (setgroups(0, NULL) < 0 || setresgid(self.gid, self.gid, self.gid) < 0 ||
		setresuid(self.uid, self.uid, self.uid) < 0)
		_exit(255);
	if (filtered) { /* with the ids that it has */
		if (sandbox_enter(self.role, &(struct sandbox_who){}, &err) < 0)
			_exit(254);
	} else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		   prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		_exit(253);
	}
}

/* What the filter ends is a child. */
static void try(size_t i, pid_t other, bool filtered)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		become(filtered);
		errno = 0;
		_exit(attacks[i].act(other) >= 0 ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		abort();
	if (WIFSIGNALED(status))
		printf("%s %d ended\n", attacks[i].what, (int)other);
	else
		printf("%s %d %s\n", attacks[i].what, (int)other,
			WEXITSTATUS(status) == 0 ? "done" : strerrorname_np(WEXITSTATUS(status)));
}

static int tries(int argc, char **argv)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int k = 1; k < argc; k++)
		for (size_t i = 0; i < countof(attacks); i++)
			try(i, (pid_t)atoi(argv[k]), strcmp(argv[0], "yes") == 0);
	return EXIT_SUCCESS;
}

/* --- what is counted by user --- */

/* As many descriptors in one message, which is not received. */
static bool pass(int to, int n)
{
	char control[CMSG_SPACE(SENT_FDS * sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[SENT_FDS];

	for (int i = 0; i < n; i++)
		fds[i] = to;
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN((size_t)n * sizeof(int)) };
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void *wait_for_ever(void *userdata)
{
	for (;;)
		(void)clock_nanosleep(
			CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_sec = 3600 }, NULL);
	return userdata;
}

static int make_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int n = 0;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 64 << 10);
	while (n < THREADS && pthread_create(&thread, &attr, wait_for_ever, NULL) == 0)
		n++;
	return n;
}

static int hold(int argc, char **argv)
{
	int pair[2], pipes = 0, descriptors = 0, ends[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return EXIT_FAILURE;
	become(true);
	while (descriptors < MESSAGES * SENT_FDS) { /* a datagram socket takes ten or so */
		if (pass(pair[0], SENT_FDS))
			descriptors += SENT_FDS;
		else if (errno != EAGAIN || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
			break;
	}
	while (pipes < PIPES && pipe2(ends, 0) == 0) {
		(void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
		pipes++;
	}
	dprintf(STDOUT_FILENO, "%d descriptors %d pipes %d threads\n", descriptors, pipes,
		make_threads());
	return read(STDIN_FILENO, &byte, 1) < 0;
}

static int has(int argc, char **argv)
{
	int pair[2], ends[2], size = -1;
	bool passes;

	become(true);
	passes = socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && pass(pair[0], 1);
	if (pipe2(ends, 0) == 0)
		size = fcntl(ends[0], F_GETPIPE_SZ);
	dprintf(STDOUT_FILENO, "pipe %d threads %d passes %s\n", size, make_threads(),
		passes ? "yes" : "no");
	return EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} modes[] = { { "tries", tries }, { "hold", hold }, { "has", has } };

static const char *const roles[] = {
	[SANDBOX_CLIENT] = "client",
	[SANDBOX_SERVER] = "server",
	[SANDBOX_PROXY] = "proxy",
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 4 && i < countof(roles); i++)
		if (strcmp(argv[1], roles[i]) == 0)
			self = (struct leaf){ (enum sandbox_role)i,
				(uid_t)strtoul(argv[2], NULL, 10),
				(gid_t)strtoul(argv[3], NULL, 10) };
	for (size_t i = 0; argc > 4 && i < countof(modes); i++)
		if (strcmp(argv[4], modes[i].name) == 0)
			return modes[i].run(argc - 5, argv + 5);
	return 2;
}
