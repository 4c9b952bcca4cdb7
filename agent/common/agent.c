/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/agent.h"

#include "proto/clock.h"

int64_t agent_now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t agent_elapsed_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}
