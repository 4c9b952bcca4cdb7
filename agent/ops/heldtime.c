/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/heldtime.h"

static bool is_near(int64_t a, int64_t b, int64_t by)
{
	return a - b <= by && b - a <= by;
}

bool heldtime_look(struct heldtime *h, int64_t wall_ms, int64_t boot_ms)
{
	if (h->begun && is_near(wall_ms - boot_ms, h->offset_ms, HELDTIME_JUMP_MS))
		return false;
	h->begun = true;
	h->offset_ms = wall_ms - boot_ms;
	h->seen_ms = wall_ms;
	h->since_ms = boot_ms;
	return true;
}

void heldtime_confirm(struct heldtime *h, int64_t wall_ms, int64_t boot_ms)
{
	h->is_signed = true;
	h->signed_offset_ms = wall_ms - boot_ms;
}

void heldtime_doubt(struct heldtime *h, int64_t boot_ms)
{
	h->since_ms = boot_ms;
}

struct heldtime_span heldtime_ended(const struct heldtime *h, const struct heldtime_rule *rule,
	int64_t wall_ms, int64_t boot_ms)
{
	int64_t signed_ms = h->signed_offset_ms + boot_ms;

	if (h->is_signed)
		return (struct heldtime_span){ 0,
			is_near(wall_ms, signed_ms, HELDTIME_SKEW_MS) ? wall_ms : signed_ms };
	if (boot_ms >= heldtime_holds_at(h, rule))
		return (struct heldtime_span){ 0, wall_ms };
	return rule->seen ? (struct heldtime_span){ h->seen_ms, wall_ms }
			  : (struct heldtime_span){ 0, 0 };
}

int64_t heldtime_holds_at(const struct heldtime *h, const struct heldtime_rule *rule)
{
	return h->is_signed ? INT64_MAX : h->since_ms + rule->hold_ms;
}
