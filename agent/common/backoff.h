/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry times (PROTOCOL.md sections 1 and 10.1): exponential from 1 s to 60 s with full jitter, but
 * for the first after a success, which is spread over as long as a fleet may take to come back;
 * Retry-After is obeyed, capped at 300 s, and never by all at the same instant. Pure. */
#pragma once

#include "proto/base.h"

#define BACKOFF_FIRST_MS           1000
#define BACKOFF_MAX_MS             60000
#define BACKOFF_RETRY_AFTER_MAX_MS 300000

struct backoff {
	unsigned failures; /* in a row */
};

/* How long to wait after this failure: as @random falls, between 0 and @spread_ms after the first,
 * and the present ceiling after those that follow. With a @retry_after_ms (0: none given) that
 * much, and then between 0 and the larger of it and the ceiling. */
uint64_t backoff_failed(
	struct backoff *b, uint64_t spread_ms, uint64_t retry_after_ms, uint32_t random);
void backoff_succeeded(struct backoff *b);

/* How long a poll of at most @wait_s may be held: drawn from the last fifth, so that polls which
 * began together don't stay together. */
uint64_t backoff_draw_wait_s(uint64_t wait_s, uint32_t random);
