/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/worker/worker_turn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "proto/clock.h"

#define FILE_NAME "turns"
#define RING_US   100000 /* an alarm that rings before the wait has begun rings again */

/* FNV-1a, without the sign. */
static off_t byte_of(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
	return (off_t)(h & INT64_MAX >> 1);
}

static void on_alarm(int sig) {}

static void set_alarm(void (*handler)(int), long us)
{
	const struct sigaction action = { .sa_handler = handler };
	const struct itimerval timer = { { .tv_usec = us }, { .tv_usec = us } };

	(void)setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static int wait_for(int fd, struct flock *lock, int64_t end_ms)
{
	int r = 0;

	if (fcntl(fd, F_OFD_SETLK, lock) == 0)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	set_alarm(on_alarm, RING_US);
	while (r == 0 && fcntl(fd, F_OFD_SETLKW, lock) < 0)
		if (errno != EINTR)
			r = -errno;
		else if (clock_ms(CLOCK_MONOTONIC) >= end_ms)
			r = -ETIMEDOUT;
	set_alarm(SIG_DFL, 0);
	return r;
}

int worker_turn_take(
	const char *run, const char *const names[], size_t n, long wait_ms, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/" FILE_NAME, run);
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + wait_ms;
	int r = fd < 0 ? -errno : 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct flock lock = { .l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = byte_of(names[i]),
			.l_len = 1 };

		r = wait_for(fd, &lock, end_ms);
		if (r == -ETIMEDOUT)
			return err_set(err, r, ERR_TIMEOUT, NULL,
				"a process of an earlier operation, though killed, still works on "
				"%s: most often its disk does not answer",
				names[i]);
	}
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Node.RuntimeDirectory", "can't lock %s: %s",
			       path, strerror(-r))
		     : take_fd(&fd);
}
