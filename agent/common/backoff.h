/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry times (PROTOCOL.md sections 1 and 10.1), so that a fleet which loses its API at one instant
 * doesn't ask for it in one: the first retry after a success is spread over as long as the fleet
 * may take to come back, and nobody asks again before that is over. So no second has more than its
 * part of one spread, however long it lasts, and all are back a quarter of it later. Beyond the
 * spread, retries are exponential from 1 s to 60 s with jitter. Retry-After is obeyed, capped at
 * 300 s, and never by all at the same instant. Pure. */
#pragma once

#include "proto/base.h"

#define BACKOFF_FIRST_MS           1000
#define BACKOFF_MAX_MS             60000
#define BACKOFF_RETRY_AFTER_MAX_MS 300000

struct backoff {
	unsigned failures; /* in a row */
};

/* How long to wait after this failure, as @random falls. After the first, between 0 and @spread_ms.
 * After those that follow, at least @spread_ms, and at most a quarter more or the present ceiling,
 * whichever is larger. @retry_after_ms (0: none given): at least that, and at most twice that where
 * it is more than the above. */
uint64_t backoff_failed(
	struct backoff *b, uint64_t spread_ms, uint64_t retry_after_ms, uint32_t random);
void backoff_succeeded(struct backoff *b);

/* How long a poll of at most @wait_s may be held: drawn from the last fifth, so that polls which
 * began together don't stay together. */
uint64_t backoff_draw_wait_s(uint64_t wait_s, uint32_t random);
