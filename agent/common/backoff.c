/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/backoff.h"

#define DOUBLINGS_MAX 6 /* 1 s doubled six times is past the 60 s ceiling */

static uint64_t between(uint64_t low, uint64_t high, uint32_t random)
{
	return low + (((high - low) * random) >> 32);
}

uint64_t backoff_failed(
	struct backoff *b, uint64_t spread_ms, uint64_t retry_after_ms, uint32_t random)
{
	uint64_t after = MIN_OF(retry_after_ms, (uint64_t)BACKOFF_RETRY_AFTER_MAX_MS),
		 low = MAX_OF(after, spread_ms),
		 ceiling = MIN_OF(
			 (uint64_t)BACKOFF_FIRST_MS << b->failures, (uint64_t)BACKOFF_MAX_MS);

	if (b->failures++ == 0)
		return between(after, after + low, random);
	b->failures = MIN_OF(b->failures, (unsigned)DOUBLINGS_MAX);
	return between(low, MAX_OF(low + low / 4, MAX_OF(2 * after, ceiling)), random);
}

void backoff_succeeded(struct backoff *b)
{
	b->failures = 0;
}

uint64_t backoff_draw_wait_s(uint64_t wait_s, uint32_t random)
{
	return wait_s - (((wait_s / 5 + 1) * random) >> 32);
}
