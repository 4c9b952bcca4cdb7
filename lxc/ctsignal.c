/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctsignal.h"

#include <signal.h>
#include <sys/syscall.h>

#include "lxc/ctproc.h"
#include "proto/clock.h"

#define SETTLED_MS   5000 /* an init that hears nothing by then never will */
#define HEARS_YET_MS 20
#define BIT(signal)  (1ULL << ((signal)-1))
#define SIG_SYSTEMD  37 /* SIGRTMIN+3 by the kernel's numbers: halt, systemd(1) */
/* Who hears it hears all, and passes them on (tini, dumb-init) or has a runtime that catches all
 * (Go). */
#define SIG_NOBODYS SIGSTKFLT
/* What busybox blocks first of all, and then waits for, with the one signal beside that it catches
 * (busybox's init). */
#define BUSYBOX_BLOCKS                                                                           \
	(BIT(SIGHUP) | BIT(SIGINT) | BIT(SIGQUIT) | BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGTERM) | \
		BIT(SIGCHLD) | BIT(SIGPWR))
#define BUSYBOX_CATCHES BIT(SIGTSTP)

/* The first that fits. A signal means different things to inits, so they are told apart by what
 * they hear. */
static const struct {
	uint64_t hears, not ;
	int signal;
	bool settled; /* what a shell hears before the script that it reads has come to its trap */
} inits[] = {
	{ BIT(SIG_SYSTEMD), BIT(SIG_NOBODYS), SIG_SYSTEMD, false },
	{ BIT(SIGPWR) | BIT(SIGWINCH) | BIT(SIGTSTP), BIT(SIG_NOBODYS), SIGPWR,
		false }, /* sysvinit */
	{ BIT(SIGPWR) | BIT(SIGCONT) | BIT(SIGTERM), BIT(SIG_NOBODYS) | BIT(SIGUSR2), SIGPWR,
		false }, /* runit as Debian has it, which keeps SIGTERM blocked for good */
	{ BIT(SIGUSR2) | BIT(SIGTSTP) | BIT(SIGTERM), BIT(SIG_NOBODYS) | BIT(SIGWINCH), SIGUSR2,
		false }, /* busybox, to which SIGTERM means a reboot */
	{ BIT(SIGTERM), 0, SIGTERM, false },
	{ BIT(SIGINT), 0, SIGINT, true },
	{ BIT(SIGQUIT), 0, SIGQUIT, true },
};

/* 0, or -ESRCH: it is gone. */
static int read_mask(pid_t pid, const char *key, uint64_t *ret)
{
	char text[64];

	if (ctproc_line(pid, key, text, sizeof(text)) <= 0)
		return -ESRCH;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

/* For how long it has run. */
static int64_t age_ms(pid_t pid)
{
	uint64_t ticks = ctproc_started(pid);

	if (ticks == 0)
		return 0;
	return clock_ms(CLOCK_BOOTTIME) - (int64_t)(ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Who waits for signals (sigtimedwait(2)) has them unblocked meanwhile: which they are stands in
 * its memory alone, and a look there may take as long as the container likes (userfaultfd(2),
 * FUSE). */
static bool waits(pid_t pid)
{
	char text[256];
	long nr;

	return ctproc_read(pid, "syscall", text, sizeof(text)) >= 0 &&
	       sscanf(text, "%ld", &nr) == 1 && nr == SYS_rt_sigtimedwait;
}

/* Who waits hears all, but for busybox, which is known by what else it does: waiting is what it
 * always does, and by SIGTERM it would begin anew. */
static int read_heard(pid_t pid, uint64_t *ret)
{
	uint64_t caught, blocked;

	if (read_mask(pid, "SigCgt", &caught) < 0 || read_mask(pid, "SigBlk", &blocked) < 0)
		return -ESRCH;
	if (blocked == BUSYBOX_BLOCKS || (caught == BUSYBOX_CATCHES && waits(pid)))
		*ret = BUSYBOX_BLOCKS | BUSYBOX_CATCHES;
	else
		*ret = waits(pid) ? UINT64_MAX : caught | blocked;
	return 0;
}

/* By what it is, in so far as what it hears tells it. 0: it hears none. */
static int fitting(pid_t pid, uint64_t heard)
{
	bool settled = age_ms(pid) >= SETTLED_MS;

	for (size_t i = 0; i < countof(inits); i++)
		if ((heard & inits[i].hears) == inits[i].hears && !(heard & inits[i].not ) &&
			(settled || !inits[i].settled))
			return inits[i].signal;
	return 0;
}

/* 0: it hears none, or not yet the one that is named for it; -ESRCH: it is gone. Who was asked by
 * that one may hear others while it ends, to which they mean something else. */
static int signal_of(struct ctsignal *s)
{
	uint64_t heard;

	if (read_heard(s->pid, &heard) < 0)
		return -ESRCH;
	if (s->named == 0)
		return fitting(s->pid, heard);
	if (heard & BIT(s->named)) {
		s->by_name = true;
		return s->named;
	}
	s->unheard++;
	return s->by_name || s->unheard < CTSIGNAL_LOOKS ? 0 : fitting(s->pid, heard);
}

int ctsignal_ask(struct ctsignal *s)
{
	int signal = signal_of(s);

	if (signal < 0)
		return signal;
	s->deaf = signal == 0 ? s->deaf + 1 : 0;
	if (!s->asked && s->deaf >= CTSIGNAL_LOOKS && age_ms(s->pid) >= SETTLED_MS)
		return 0;
	s->asked = s->asked || signal > 0;
	if (signal > 0 && syscall(SYS_pidfd_send_signal, s->pidfd, signal, NULL, 0) < 0)
		return -errno;
	return signal > 0 ? CTSIGNAL_AGAIN_MS : HEARS_YET_MS;
}
