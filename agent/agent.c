/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <time.h>

#include "agent/journal.h"

int64_t agent_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t agent_elapsed_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts); /* can't fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t agent_trusted_now_ms(const struct agent *a)
{
	return MAX_OF(agent_now_ms(), journal_latest_time(a->store));
}
