/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ends have come, for what can't be undone: a wall clock may be wrong, at the start or for
 * seconds, and what it deletes meanwhile is gone. So an end counts by a time that the control API
 * has signed, carried on by the clock that nobody sets; or, with no such answer, by a wall clock
 * that has gone on without a jump for long. Pure: @wall_ms is CLOCK_REALTIME, @boot_ms
 * CLOCK_BOOTTIME.
 *
 * An answer's signature is judged within RESPSIG_SKEW_S of the wall clock: a good one says that the
 * clock is right, a bad one may say that it is wrong. */
#pragma once

#include "proto/base.h"

#define HELDTIME_JUMP_MS 60000  /* off by more than this is a jump; NTP slews less */
#define HELDTIME_SKEW_MS 300000 /* as close as this to what was signed the wall clock is as good */

struct heldtime {
	bool begun, is_signed;
	int64_t offset_ms;        /* wall clock minus boot time, since it holds */
	int64_t seen_ms;          /* wall clock from which on we have watched it pass */
	int64_t since_ms;         /* boot time since when it holds */
	int64_t signed_offset_ms; /* as offset_ms, when an answer was last signed well */
};

struct heldtime_rule {
	int64_t hold_ms; /* so long a clock that nobody confirms has to hold */
	bool seen;       /* an end that the clock has passed before our eyes counts at once */
};

/* Ends after the one and not after the other have come. */
struct heldtime_span {
	int64_t after_ms, until_ms;
};

/* At every look, and when the clock is set; true: it has jumped (or this is the first look). */
bool heldtime_look(struct heldtime *h, int64_t wall_ms, int64_t boot_ms);
void heldtime_confirm(struct heldtime *h, int64_t wall_ms, int64_t boot_ms);
void heldtime_doubt(struct heldtime *h, int64_t boot_ms);

struct heldtime_span heldtime_ended(const struct heldtime *h, const struct heldtime_rule *rule,
	int64_t wall_ms, int64_t boot_ms);
/* Boot time at which a clock that goes on like this is believed: never against what was signed. */
int64_t heldtime_holds_at(const struct heldtime *h, const struct heldtime_rule *rule);
