/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a clock that is wrong for seconds may end: nothing; what one that holds may, and what a
 * signed answer says of either. */
#include "agent/ops/heldtime.h"
#include "tests/unit/tap.h"

#define S    1000LL
#define MIN  (60 * S)
#define DAY  (24 * 60 * MIN)
#define TRUE 1795000000000LL /* the wall clock as the host boots */

static const struct heldtime_rule data = { .hold_ms = 10 * MIN },
				  access_rule = { .hold_ms = MIN, .seen = true };

/* Has an end come? The clock is @off from the truth, @boot_ms after boot. */
static bool ended(struct heldtime *h, const struct heldtime_rule *rule, int64_t end_ms, int64_t off,
	int64_t boot_ms)
{
	struct heldtime_span s;

	(void)heldtime_look(h, TRUE + boot_ms + off, boot_ms);
	s = heldtime_ended(h, rule, TRUE + boot_ms + off, boot_ms);
	return end_ms > s.after_ms && end_ms <= s.until_ms;
}

static void alone(void)
{
	const int64_t month = TRUE + 30 * DAY;
	struct heldtime h = {};

	TAP_OK(!ended(&h, &data, TRUE - DAY, 0, 0), "a start: what has ended waits");
	TAP_OK(!ended(&h, &data, TRUE - DAY, 0, 10 * MIN - 1), "until the clock has held");
	TAP_OK(ended(&h, &data, TRUE - DAY, 0, 10 * MIN), "and goes then");
	TAP_OK(!ended(&h, &data, month, 60 * DAY, 20 * MIN), "60 days on: nothing goes");
	TAP_OK(!ended(&h, &access_rule, month, 60 * DAY, 20 * MIN + 8 * S), "for 8 s");
	TAP_OK(!ended(&h, &data, month, 0, 20 * MIN + 8 * S), "and back: nor does it");
	TAP_OK(!ended(&h, &data, TRUE, 0, 30 * MIN), "the hold has begun anew");
	TAP_OK(ended(&h, &data, TRUE, 0, 30 * MIN + 8 * S), "and ends");
	TAP_OK(!ended(&h, &data, month, 60 * DAY, 40 * MIN), "on for good: it waits");
	TAP_OK(!ended(&h, &access_rule, month, 60 * DAY, 40 * MIN + 59 * S), "access for less");
	TAP_OK(ended(&h, &access_rule, month, 60 * DAY, 41 * MIN), "than data");
	TAP_OK(ended(&h, &data, month, 60 * DAY, 50 * MIN), "which goes by a time that has held");
	TAP_OK(ended(&h, &data, month, 60 * DAY + 30 * S, 50 * MIN + 1), "a slew is no jump");
}

static void at_start(void)
{
	struct heldtime h = {};

	TAP_OK(!ended(&h, &access_rule, TRUE + 30 * DAY, 60 * DAY, 0), "wrong at the start");
	TAP_OK(!ended(&h, &access_rule, TRUE + 30 * DAY, 0, 8 * S), "right 8 s later");
	TAP_OK(ended(&h, &access_rule, TRUE + 10 * S, 0, 10 * S),
		"what ends as we watch ends at once");
	TAP_OK(!ended(&h, &data, TRUE + 10 * S, 0, 10 * S), "but for data");
	TAP_OK(!ended(&h, &access_rule, TRUE + 12 * S, 0, 11 * S), "and not before");
}

static void signed_times(void)
{
	struct heldtime h = {};

	TAP_OK(!ended(&h, &data, TRUE, 0, S), "before the first answer");
	heldtime_confirm(&h, TRUE + 2 * S, 2 * S);
	TAP_OK(ended(&h, &data, TRUE, 0, 2 * S), "a signed time counts at once");
	TAP_OK(!ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, 3 * S), "60 days on: nothing goes");
	TAP_OK(!ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, DAY), "however long that holds");
	TAP_OK(ended(&h, &data, TRUE + DAY, 60 * DAY, DAY), "what was signed goes on");
	TAP_OK(ended(&h, &data, TRUE + DAY, -60 * DAY, DAY), "also by a clock that is behind");
	heldtime_confirm(&h, TRUE + 60 * DAY + 2 * DAY, 2 * DAY);
	TAP_OK(ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, 2 * DAY),
		"until an answer agrees with it");
	heldtime_confirm(&h, TRUE + 3 * DAY, 3 * DAY);
	TAP_OK(!ended(&h, &data, TRUE + 30 * DAY, 0, 3 * DAY), "and back at once");
	TAP_OK(ended(&h, &access_rule, TRUE + 3 * DAY, 0, 3 * DAY), "access by the same");
}

static void doubted(void)
{
	struct heldtime h = {};

	TAP_OK(!ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, 0), "wrong at the start, and stays so");
	for (int64_t at = MIN; at < 60 * MIN; at += MIN)
		heldtime_doubt(&h, at);
	TAP_OK(!ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, 60 * MIN),
		"answers that don't agree: it never holds");
	TAP_OK(ended(&h, &data, TRUE + 30 * DAY, 60 * DAY, 69 * MIN), "but without any");
}

int main(void)
{
	alone();
	at_start();
	signed_times();
	doubted();
	return tap_done();
}
