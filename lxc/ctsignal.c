/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctsignal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#define BIT(signal) (1ULL << ((signal)-1))
#define SIG_SYSTEMD 37 /* SIGRTMIN+3 by the kernel's numbers: halt, systemd(1) */
/* Who hears it hears all, and passes them on (tini, dumb-init) or has a runtime that catches all (Go). */
#define SIG_NOBODYS SIGSTKFLT

/* The first that fits. A signal means different things to inits, so they are told apart by what they hear. */
static const struct {
	uint64_t hears, not ;
	int signal;
	bool settled; /* what a shell hears before the script that it reads has come to its trap */
} inits[] = {
	{ BIT(SIG_SYSTEMD), BIT(SIG_NOBODYS), SIG_SYSTEMD, false },
	{ BIT(SIGPWR) | BIT(SIGWINCH) | BIT(SIGTSTP), BIT(SIG_NOBODYS), SIGPWR,
		false }, /* sysvinit */
	{ BIT(SIGUSR2) | BIT(SIGTSTP) | BIT(SIGTERM), BIT(SIG_NOBODYS) | BIT(SIGWINCH), SIGUSR2,
		false }, /* busybox, to which SIGTERM means a reboot */
	{ BIT(SIGTERM), 0, SIGTERM, false },
	{ BIT(SIGINT), 0, SIGINT, true },
	{ BIT(SIGQUIT), 0, SIGQUIT, true },
};

static int read_proc(pid_t pid, const char *file, char *ret, size_t size)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/%s", (int)pid, file);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n <= 0)
		return -ENOENT;
	ret[n] = '\0';
	return 0;
}

static uint64_t mask(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? strtoull(at + strlen(key), NULL, 16) : 0;
}

int64_t ctsignal_age_ms(pid_t pid)
{
	unsigned long long ticks = 0;
	char stat[1024], *rest;
	struct timespec now;

	if (read_proc(pid, "stat", stat, sizeof(stat)) < 0)
		return 0;
	rest = strrchr(stat, ')'); /* the name before it may be anything */
	if (!rest || sscanf(rest + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			     "%*d %*d "
			     "%llu",
			     &ticks) != 1)
		return 0;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
	       (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

/* Who waits for signals (sigtimedwait(2)) has them unblocked meanwhile: which they are stands in its memory
 * alone, and a look there may take as long as the container likes (userfaultfd(2), FUSE). So it hears all. */
static bool waits(pid_t pid)
{
	char text[256];
	long nr;

	return read_proc(pid, "syscall", text, sizeof(text)) >= 0 &&
	       sscanf(text, "%ld", &nr) == 1 && nr == SYS_rt_sigtimedwait;
}

int ctsignal_of(pid_t pid)
{
	bool settled = ctsignal_age_ms(pid) >= CTSIGNAL_SETTLED_MS;
	char status[4096];
	uint64_t heard;

	if (read_proc(pid, "status", status, sizeof(status)) < 0)
		return -ENOENT;
	heard = waits(pid) ? UINT64_MAX : mask(status, "\nSigCgt:") | mask(status, "\nSigBlk:");
	for (size_t i = 0; i < countof(inits); i++)
		if ((heard & inits[i].hears) == inits[i].hears && !(heard & inits[i].not ) &&
			(settled || !inits[i].settled))
			return inits[i].signal;
	return 0;
}
