/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fleet that loses its API at one instant does not come back at one instant (PROTOCOL.md 10.1).
 * Time is made up, nodes don't see each other, and what each does is the product's own back-off; an
 * API that can't bear them all is another test's. */
#include "agent/common/backoff.h"
#include "tests/unit/tap.h"

#define NODES       20000
#define SPREAD_MS   60000
#define WAIT_S      30
#define CUT_MS      100000 /* until then all poll undisturbed */
#define END_S       800
#define SETTLED_S   400
#define ROUND_MS    20
#define MEAN_WAIT_S 27.0

static uint32_t polls[END_S]; /* what the API gets in each second */

/* The API at @ms: answers, or refuses with that Retry-After. */
struct outage {
	int64_t lasts_ms, retry_after_ms;
};

static uint32_t draw(void)
{
	return (uint32_t)mrand48();
}

/* One node's polls; returns when it was first answered after the cut. */
static int64_t live(const struct outage *o)
{
	struct backoff b = {};
	int64_t at = (int64_t)(draw() % (WAIT_S * 1000)), back = 0;

	while (at < END_S * 1000) {
		int64_t until = at + (int64_t)backoff_draw_wait_s(WAIT_S, draw()) * 1000 + ROUND_MS;
		bool out = at >= CUT_MS && at < CUT_MS + o->lasts_ms;

		if (!out || o->retry_after_ms)
			polls[at / 1000]++;
		if (!out && at >= CUT_MS && !back)
			back = at;
		if (out ||
			(at < CUT_MS && until > CUT_MS)) { /* refused, or cut off while it waited */
			at = (out ? at : CUT_MS) + (int64_t)backoff_failed(&b, SPREAD_MS,
							   (uint64_t)(out ? o->retry_after_ms : 0),
							   draw());
		} else {
			backoff_succeeded(&b);
			at = until;
		}
	}
	return back;
}

static uint32_t most(size_t from, size_t to)
{
	uint32_t m = 0;

	for (size_t i = from; i < to; i++)
		m = MAX_OF(m, polls[i]);
	return m;
}

static void herd(const char *what, struct outage o)
{
	const int64_t up_ms = CUT_MS + o.lasts_ms;
	size_t late = 0;

	memset(polls, 0, sizeof(polls));
	for (size_t i = 0; i < NODES; i++)
		late += live(&o) > up_ms + 75000 + o.retry_after_ms;
	printf("# %s: at most %u a second, %u later; %zu of %d late\n", what,
		most(CUT_MS / 1000, END_S), most(SETTLED_S, END_S), late, NODES);
	TAP_OK(most(CUT_MS / 1000, END_S) <= 1.5 * NODES / MEAN_WAIT_S,
		"%s: no second has more than half again of what they make undisturbed", what);
	TAP_OK(late <= NODES / 100, "%s: 99 %% are back in 75 s", what);
	TAP_OK(most(SETTLED_S, END_S) <= 1.5 * NODES / MEAN_WAIT_S,
		"%s: and five minutes later none marches in step", what);
}

int main(void)
{
	srand48(4711);
	herd("a load balancer's restart", (struct outage){ .lasts_ms = 1 });
	herd("a minute of 503 with Retry-After: 30", (struct outage){ 60000, 30000 });
	return tap_done();
}
