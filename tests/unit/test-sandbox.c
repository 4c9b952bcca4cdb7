/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sandbox from inside: each attempt runs in a child of its own that enters it first. What is
 * refused fails; what only a process that was taken over asks for ends the child by SIGSYS.
 *
 * An attempt is a function that says whether it has succeeded; what becomes of the child is one
 * of DONE, FAILED, KILLED or NO_SANDBOX. Builds with sanitizers have no filter, so there only
 * what the kernel refuses by user, root and limits is expected. Beside them the agent's part is
 * played where it matters: files that are renewed while a leaf looks at them. */
#include "proto/sandbox.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "proto/leafid.h"
#include "tests/unit/tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define FILTERED false
#else
#define FILTERED true
#endif

#define LEAF LEAFID_BASE(LEAFID_COURIER)

enum { DONE = 0, FAILED = 1, NO_SANDBOX = 2, KILLED = 3 };

static char etc[] = "/tmp/hoody-etc-XXXXXX";
static struct sandbox_who leaf = { .id = LEAF, .etc = etc };

static int attempt(enum sandbox_role role, bool (*act)(void))
{
	pid_t pid = fork();
	struct err err;
	int status;

	if (pid == 0) {
		(void)umask(0077); /* the agent's, which its leaves inherit */
		if (sandbox_enter(role, &leaf, &err) < 0)
			_exit(NO_SANDBOX);
		_exit(act() ? DONE : FAILED);
	}
	if (waitpid(pid, &status, 0) < 0)
		abort();
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : NO_SANDBOX;
	return WEXITSTATUS(status);
}

static bool execute(void)
{
	(void)execl("/bin/true", "true", NULL);
	return false;
}

static bool read_shadow(void)
{
	return open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool read_passwd(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool read_proc(void)
{
	return open("/proc/self/status", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool write_root(void)
{
	return open("/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static bool become_root(void)
{
	return setuid(0) == 0;
}

static bool unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool mount_something(void)
{
	return mount("none", "/etc", "tmpfs", 0, NULL) == 0;
}

static bool trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool fork_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool writable_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static bool tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0;
}

/* Also when it is said in a register's upper half, which the kernel does not look at. */
static bool lingering_close(void)
{
	int fds[2];
	const struct linger l = { .l_onoff = 1, .l_linger = 30 };
	const long high = 1L << 32;

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 &&
	       (setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0 ||
		       syscall(SYS_setsockopt, fds[0], high | SOL_SOCKET, SO_LINGER, &l,
			       sizeof(l)) == 0 ||
		       syscall(SYS_setsockopt, fds[0], SOL_SOCKET, high | SO_LINGER, &l,
			       sizeof(l)) == 0);
}

static bool other_options(void)
{
	int fds[2], on = 1;

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 &&
	       setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
	       setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &on, sizeof(on)) == 0;
}

static int told[2]; /* that the file was written anew */

static bool reads(const char *text)
{
	_cleanup_(closep) int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	char got[16] = "";

	return fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0 && strcmp(got, text) == 0;
}

/* It goes on living while the host's files change. */
static bool read_name_files(void)
{
	char byte = 'r';

	return reads("first") && write(told[1], &byte, 1) == 1 && read(told[1], &byte, 1) == 1 &&
	       reads("second");
}

static bool write_name_file(void)
{
	return open("/etc/resolv.conf", O_WRONLY | O_CLOEXEC) >= 0 ||
	       open("/etc/other", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static void put_name_file(const char *text)
{
	_cleanup_(freep) char *path = xasprintf("%s/resolv.conf", etc);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void remove_etc(void)
{
	_cleanup_(freep) char *path = xasprintf("%s/resolv.conf", etc);

	if (unlink(path) < 0 || rmdir(etc) < 0)
		abort();
}

/* Beside what is tried: the agent, as it renews what the leaf sees. */
static pid_t begin_renewal(void)
{
	pid_t pid;
	char byte;

	if (!mkdtemp(etc) || chmod(etc, 0755) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, told) < 0)
		abort();
	pid = fork();
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(told[0], &byte, 1) == 1) {
		put_name_file("second");
		if (write(told[0], &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* The courier was seen to ask this on Debian 13 and not on 12: a call in no list must not be the
 * end. */
static bool unlisted_call(void)
{
	struct statfs s;

	return fstatfs(STDIN_FILENO, &s) == 0 || errno != ENOSYS;
}

static pid_t other; /* a process of the leaves' user, as another leaf is one */

static bool signal_another(void)
{
	return syscall(SYS_tgkill, other, other, SIGKILL) == 0 ||
	       syscall(SYS_tgkill, 1L << 32 | other, other, SIGKILL) == 0;
}

static bool limit_another(void)
{
	const struct rlimit none = {};

	return syscall(SYS_prlimit64, other, RLIMIT_NOFILE, &none, NULL) == 0 ||
	       syscall(SYS_prlimit64, 1L << 32 | other, RLIMIT_NOFILE, &none, NULL) == 0;
}

/* The kernel sends what F_SETSIG says to whom F_SETOWN names. */
static bool signal_another_by_descriptor(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 &&
	       (fcntl(fds[0], F_SETOWN, other) == 0 || fcntl(fds[0], F_SETSIG, SIGKILL) == 0 ||
		       syscall(SYS_fcntl, fds[0], 1L << 32 | F_SETOWN, other) == 0);
}

static bool signal_itself(void)
{
	(void)signal(SIGUSR1, SIG_IGN);
	return raise(SIGUSR1) == 0;
}

static bool free_secret(void)
{
	char page[1] = {};

	return munlock(page, sizeof(page)) == 0;
}

static bool is_somebody_else(void)
{
	return getuid() == LEAF && geteuid() == LEAF && getgid() == LEAF && getegid() == LEAF;
}

static const struct {
	const char *what;
	bool (*act)(void);
	bool allowed;
	bool by_filter; /* refused by the system call filter alone */
	/* allowed in the client's role alone; the filter refuses it to the server */
	bool client_may;
	bool fatal; /* ends the process, where there is a filter */
} cases[] = {
	{ "be another user", is_somebody_else, .allowed = true },
	{ "make TCP sockets", tcp_socket, .client_may = true },
	{ "read the name service's files, also as they become", read_name_files, .allowed = true },
	{ "write them", write_name_file },
	{ "execute a program", execute, .fatal = true },
	{ "read /etc/shadow", read_shadow },
	{ "read /etc/passwd", read_passwd },
	{ "read /proc", read_proc },
	{ "write a file", write_root },
	{ "become root again", become_root },
	{ "make a Unix socket", unix_socket, .by_filter = true },
	{ "make a netlink socket", netlink_socket, .by_filter = true },
	{ "make a packet socket", packet_socket },
	{ "make a close wait for its peer", lingering_close, .by_filter = true },
	{ "set other options of sockets", other_options, .allowed = true },
	{ "mount", mount_something, .fatal = true },
	{ "trace", trace, .by_filter = true, .fatal = true },
	{ "fork", fork_process, .by_filter = true, .fatal = true },
	{ "make memory executable", writable_code, .by_filter = true },
	{ "signal another leaf", signal_another, .by_filter = true },
	{ "limit another leaf", limit_another, .by_filter = true },
	{ "signal another leaf by a descriptor's owner", signal_another_by_descriptor,
		.by_filter = true },
	{ "signal itself, as abort(3) does", signal_itself, .allowed = true },
	{ "unlock memory that held a secret", free_secret, .allowed = true },
	{ "make a call that no list names, other than in vain", unlisted_call, .by_filter = true },
};

int main(void)
{
	static const enum sandbox_role roles[] = { SANDBOX_CLIENT, SANDBOX_SERVER };
	pid_t renewal;

	if (geteuid() != 0)
		TAP_SKIP_ALL("needs root");
	renewal = begin_renewal();
	other = fork();
	if (other == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresgid(LEAF, LEAF, LEAF) < 0 || setresuid(LEAF, LEAF, LEAF) < 0)
			abort();
		for (;;)
			(void)pause();
	}
	for (size_t i = 0; i < countof(roles); i++)
		for (size_t k = 0; k < countof(cases); k++) {
			bool client = roles[i] == SANDBOX_CLIENT,
			     allowed = cases[k].allowed || (cases[k].client_may && client);

			if (!FILTERED && (cases[k].by_filter || (cases[k].client_may && !client))) {
				TAP_SKIP("the filter is off under the sanitizers, whose own calls "
					 "it would refuse");
				continue;
			}
			put_name_file("first");
			TAP_EQ(attempt(roles[i], cases[k].act),
				allowed                      ? DONE
				: cases[k].fatal && FILTERED ? KILLED
							     : FAILED,
				"%s, %s: %s", client ? "client" : "server", cases[k].what,
				allowed          ? "it may"
				: cases[k].fatal ? "it may not, and ends"
						 : "it may not");
		}
	(void)kill(other, SIGKILL);
	(void)kill(renewal, SIGKILL);
	remove_etc();
	leaf.id = 0;
	TAP_EQ(attempt(SANDBOX_CLIENT, signal_itself), NO_SANDBOX, "root is no leaf");
	return tap_done();
}
