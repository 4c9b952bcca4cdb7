/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wall clock of a program's own, since no namespace has one: preloaded, it adds the seconds in
 * the file CLOCKSET (one int64_t, mapped) to CLOCK_REALTIME, as they are at that moment. What waits
 * in the kernel for a clock to be set hears nothing of it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t ahead_s(void)
{
	static const volatile int64_t *at;

	if (!at) {
		const char *path = getenv("CLOCKSET");
		int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		void *p = mmap(NULL, sizeof(*at), PROT_READ, MAP_SHARED, fd, 0);

		if (fd >= 0)
			(void)close(fd);
		if (p == MAP_FAILED)
			return 0;
		at = p;
	}
	return *at;
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	int r = (int)syscall(SYS_clock_gettime, clock_id, tp);

	if (r == 0 && clock_id == CLOCK_REALTIME)
		tp->tv_sec += ahead_s();
	return r;
}
