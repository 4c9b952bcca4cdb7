/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry times: within their bounds for every draw, rising to a ceiling, never before the spread is
 * over, Retry-After obeyed and capped, and forgotten after a success. */
#include "agent/common/backoff.h"
#include "tests/unit/tap.h"

static void test_rising(void)
{
	static const uint64_t floors[] = { 0, 1000, 1000, 1000, 1000, 1000, 1000, 1000 },
			      ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct backoff b = {};

	for (size_t i = 0; i < countof(ceilings); i++) {
		struct backoff low = b, high = b;

		TAP_EQ(backoff_failed(&low, 1000, 0, 0), floors[i],
			"failure %zu: jitter begins at %s", i + 1, i ? "the spread" : "nothing");
		TAP_EQ(backoff_failed(&high, 1000, 0, UINT32_MAX), ceilings[i] - 1,
			"and ends below %llu ms", (unsigned long long)ceilings[i]);
		(void)backoff_failed(&b, 1000, 0, 0);
	}
	TAP_EQ(backoff_failed(&b, 0, 0, 0), 0, "without a spread jitter is full");
	TAP_EQ(backoff_failed(&b, 1000, 5000, 0), 5000, "Retry-After is obeyed");
	TAP_EQ(backoff_failed(&b, 1000, 5000, UINT32_MAX), 59999,
		"and nobody obeys at the same instant: up to the ceiling,");
	TAP_EQ(backoff_failed(&b, 1000, 200000, UINT32_MAX), 399999, "or to twice of it");
	TAP_EQ(backoff_failed(&b, 1000, 86400000, 0), 300000, "and capped at 300 s");
	for (int i = 0; i < 1000; i++)
		(void)backoff_failed(&b, 1000, 0, 0);
	TAP_EQ(backoff_failed(&b, 1000, 0, UINT32_MAX), 59999,
		"a thousand failures overflow nothing");
}

static void test_spread(void)
{
	struct backoff b = {};

	TAP_EQ(backoff_failed(&b, 30000, 0, UINT32_MAX), 29999, "the first failure is spread");
	for (int i = 0; i < 3; i++) {
		struct backoff low = b;

		TAP_EQ(backoff_failed(&low, 30000, 0, 0), 30000,
			"who fails again asks not before all have asked,");
		TAP_EQ(backoff_failed(&b, 30000, 0, UINT32_MAX), 37499,
			"and not a quarter of it later");
	}
	TAP_EQ(backoff_failed(&b, 30000, 10000, 0), 30000, "nor sooner by a Retry-After");
	backoff_succeeded(&b);
	TAP_EQ(backoff_failed(&b, 30000, 10000, 0), 10000, "a success begins anew");
	backoff_succeeded(&b);
	TAP_EQ(backoff_failed(&b, 30000, 10000, UINT32_MAX), 39999,
		"a first Retry-After is spread behind its end");
	backoff_succeeded(&b);
	TAP_EQ(backoff_failed(&b, 3600000, 300000, UINT32_MAX), 3899999, "the longest of all");
	TAP_EQ(backoff_failed(&b, 3600000, 300000, UINT32_MAX), 4499999, "overflow nothing");
}

int main(void)
{
	test_rising();
	test_spread();
	return tap_done();
}
