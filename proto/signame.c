/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/signame.h"

#include <ctype.h>
#include <signal.h>

#define PREFIX     "SIG"
#define NUMBER_MAX 64
/* glibc's SIGRTMIN, by which the world counts; the kernel's own is 32 (signal(7)). */
#define RT_MIN    34
#define RT_MAX    NUMBER_MAX
#define KERNEL_RT 32

static const struct {
	const char *name;
	int number;
} names[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "ILL", SIGILL },
	{ "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT },
	{ "BUS", SIGBUS },
	{ "FPE", SIGFPE },
	{ "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM },
	{ "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD },
	{ "CONT", SIGCONT },
	{ "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU },
	{ "URG", SIGURG },
	{ "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ },
	{ "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF },
	{ "WINCH", SIGWINCH },
	{ "IO", SIGIO },
	{ "PWR", SIGPWR },
	{ "SYS", SIGSYS },
	/* other names for some */
	{ "IOT", SIGABRT },
	{ "CLD", SIGCHLD },
	{ "POLL", SIGIO },
};

/* Decimal, without sign and leading zeros. */
static int digits(const char *text)
{
	int n = 0;

	if (!isdigit((unsigned char)*text) || (*text == '0' && text[1]))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		n = n * 10 + (*text - '0');
		if (n > NUMBER_MAX)
			return -EINVAL;
	}
	return *text ? -EINVAL : n;
}

static bool can_be_asked_by(int n)
{
	return n >= RT_MIN || (n > 0 && n < KERNEL_RT && n != SIGKILL && n != SIGSTOP);
}

static int realtime(const char *text)
{
	static const char low[] = "RTMIN", high[] = "RTMAX";
	bool is_low = strncmp(text, low, strlen(low)) == 0;
	const char *rest = text + strlen(low);
	int n = 0;

	if (!is_low && strncmp(text, high, strlen(high)) != 0)
		return -EINVAL;
	if (*rest) {
		n = *rest == (is_low ? '+' : '-') ? digits(rest + 1) : -EINVAL;
		if (n < 0 || n > RT_MAX - RT_MIN)
			return -EINVAL;
	}
	return is_low ? RT_MIN + n : RT_MAX - n;
}

int signame_parse(const char *text)
{
	int n = digits(text);

	if (n >= 0)
		return can_be_asked_by(n) ? n : -EINVAL;
	if (strncmp(text, PREFIX, strlen(PREFIX)) == 0)
		text += strlen(PREFIX);
	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(names[i].name, text) == 0)
			return names[i].number;
	return realtime(text);
}
