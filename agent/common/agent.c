/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/agent.h"

#include "agent/state/journal.h"
#include "proto/clock.h"

int64_t agent_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t agent_elapsed_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t agent_trusted_now_ms(const struct agent *a)
{
	return MAX_OF(agent_now_ms(), journal_latest_time(a->store));
}
