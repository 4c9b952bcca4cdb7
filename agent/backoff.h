/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry times (protocol.md section 1): exponential from 1 s to 60 s with full jitter; Retry-After
 * is obeyed, capped at 300 s. Pure. */
#pragma once

#include "proto/base.h"

#define BACKOFF_FIRST_MS           1000
#define BACKOFF_MAX_MS             60000
#define BACKOFF_RETRY_AFTER_MAX_MS 300000

struct backoff {
	unsigned failures; /* in a row */
};

/* How long to wait after this failure: between 0 and the present ceiling as @random falls, never
 * less than @retry_after_ms (0: none given). */
uint64_t backoff_failed(struct backoff *b, uint64_t retry_after_ms, uint32_t random);
void backoff_succeeded(struct backoff *b);
