/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a stopped process what /proc doesn't say: ask PID
 *
 * Has it make two system calls more (ptrace(2)), and prints "DUMPABLE KEYRING": prctl(2)
 * PR_GET_DUMPABLE, and the serial number of its session keyring, or a negative errno of either.
 * Then it makes the call that it was stopped at, and goes on. x86-64. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

/* The instruction that it was stopped behind is two bytes long. */
static void point(pid_t pid, const struct user_regs_struct *from, long nr, long a, long b, long c)
{
	struct user_regs_struct r = *from;

	r.rip -= 2;
	r.orig_rax = (unsigned long)-1;
	r.rax = (unsigned long)nr;
	r.rdi = (unsigned long)a;
	r.rsi = (unsigned long)b;
	r.rdx = (unsigned long)c;
	ptrace(PTRACE_SETREGS, pid, 0, &r);
}

static long call(pid_t pid, const struct user_regs_struct *from, long nr, long a, long b)
{
	struct user_regs_struct r;
	int status, stops = 0;

	point(pid, from, nr, a, b, 0);
	while (stops < 2) { /* into it, and out of it */
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid ||
			!WIFSTOPPED(status))
			return -ESRCH;
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	return ptrace(PTRACE_GETREGS, pid, 0, &r) < 0 ? -errno : (long)r.rax;
}

int main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? atoi(argv[1]) : 0;
	struct user_regs_struct r;
	int status;

	if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
		ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid ||
		ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
		return 1;
	printf("%ld %ld\n", call(pid, &r, SYS_prctl, PR_GET_DUMPABLE, 0),
		call(pid, &r, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING));
	point(pid, &r, (long)r.orig_rax, (long)r.rdi, (long)r.rsi, (long)r.rdx);
	return ptrace(PTRACE_DETACH, pid, 0, 0) < 0;
}
