/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/backoff.h"

#define DOUBLINGS_MAX 6 /* 1 s doubled six times is past the 60 s ceiling */

uint64_t backoff_failed(
	struct backoff *b, uint64_t spread_ms, uint64_t retry_after_ms, uint32_t random)
{
	uint64_t after = MIN_OF(retry_after_ms, (uint64_t)BACKOFF_RETRY_AFTER_MAX_MS);
	uint64_t ceiling = b->failures == 0 ? spread_ms
					    : MIN_OF((uint64_t)BACKOFF_FIRST_MS << b->failures,
						      (uint64_t)BACKOFF_MAX_MS);

	if (b->failures < DOUBLINGS_MAX)
		b->failures++;
	return after + ((MAX_OF(after, ceiling) * random) >> 32);
}

void backoff_succeeded(struct backoff *b)
{
	b->failures = 0;
}

uint64_t backoff_draw_wait_s(uint64_t wait_s, uint32_t random)
{
	return wait_s - (((wait_s / 5 + 1) * random) >> 32);
}
