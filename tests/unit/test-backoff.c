/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry times: within their bounds for every draw, rising to a ceiling, Retry-After obeyed and
 * capped, and forgotten after a success. */
#include "agent/common/backoff.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const uint64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000,
		60000 };
	struct backoff b = {};

	for (size_t i = 0; i < countof(ceilings); i++) {
		struct backoff low = b, high = b;

		TAP_EQ(backoff_failed(&low, 1000, 0, 0), 0,
			"failure %zu: full jitter begins at nothing", i + 1);
		TAP_EQ(backoff_failed(&high, 1000, 0, UINT32_MAX), ceilings[i] - 1,
			"and ends below %llu ms", (unsigned long long)ceilings[i]);
		(void)backoff_failed(&b, 1000, 0, 0);
	}
	TAP_EQ(backoff_failed(&b, 1000, 5000, 0), 5000, "Retry-After is obeyed");
	TAP_EQ(backoff_failed(&b, 1000, 5000, UINT32_MAX), 5000 + 59999,
		"and nobody obeys at the same instant: up to the ceiling later,");
	TAP_EQ(backoff_failed(&b, 1000, 200000, UINT32_MAX), 200000 + 199999, "or to it again");
	TAP_EQ(backoff_failed(&b, 1000, 86400000, 0), 300000, "and capped at 300 s");
	backoff_succeeded(&b);
	TAP_EQ(backoff_failed(&b, 30000, 0, UINT32_MAX), 29999,
		"a success begins anew: the next failure is spread");
	TAP_EQ(backoff_failed(&b, 30000, 0, UINT32_MAX), 1999, "and those behind it as ever");
	for (int i = 0; i < 1000; i++)
		(void)backoff_failed(&b, 1000, 0, 0);
	TAP_EQ(backoff_failed(&b, 1000, 0, UINT32_MAX), 59999,
		"a thousand failures overflow nothing");
	return tap_done();
}
