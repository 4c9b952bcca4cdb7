/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/backoff.h"

#define DOUBLINGS_MAX 6 /* 1 s doubled six times is past the 60 s ceiling */

uint64_t backoff_failed(struct backoff *b, uint64_t retry_after_ms, uint32_t random)
{
	uint64_t ceiling = MIN_OF((uint64_t)BACKOFF_FIRST_MS << MIN_OF(b->failures, DOUBLINGS_MAX),
		(uint64_t)BACKOFF_MAX_MS);
	uint64_t wait = (ceiling * random) >> 32;

	if (b->failures < DOUBLINGS_MAX)
		b->failures++;
	return MAX_OF(wait, MIN_OF(retry_after_ms, (uint64_t)BACKOFF_RETRY_AFTER_MAX_MS));
}

void backoff_succeeded(struct backoff *b)
{
	b->failures = 0;
}
