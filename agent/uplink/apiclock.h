/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this node's clock is worth (PROTOCOL.md 10.3): what the kernel says of it, and what the
 * control API's signed answers are of. Nothing here sets a clock. */
#pragma once

#include <jansson.h>

#include "proto/base.h"

#define APICLOCK_WORDS_MAX 200

/* All zero: nothing was heard yet. */
struct apiclock {
	int64_t signed_ms; /* of the last answer that verified; 0: none did */
	int64_t node_ms;   /* by this node's clock, when that was signed */
};

/* An answer that verifies was signed at @signed_ms, and is here at @now_ms, @took_ms after it was
 * asked for. */
void apiclock_heard(struct apiclock *c, int64_t signed_ms, int64_t now_ms, int64_t took_ms);

/* A sentence with both times. */
void apiclock_words(const struct apiclock *c, char ret[static APICLOCK_WORDS_MAX]);

/* {"synchronised":bool,"offset_ms":n or null}, the caller's: adjtimex(2), and the API's time less
 * the node's. */
json_t *apiclock_json(const struct apiclock *c);
