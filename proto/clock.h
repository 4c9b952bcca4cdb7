/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A clock's time (clock_gettime(2), which can't fail for the kernel's own). Durations are
 * CLOCK_MONOTONIC's, or CLOCK_BOOTTIME's where a machine that sleeps counts, too; what is told to
 * others is CLOCK_REALTIME's. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
