/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fleet/fleetnode.h"

#include <sodium.h>

#define OVERDUE_S 10 /* as agent/uplink/uplink has it */

/* What is the API's before it has said anything; as agent/common/conf_table has it. */
static const struct conf conf = { .control = { .poll_wait_s = 30, .reconnect_spread_s = 5 } };

static void overdue(struct errand *e)
{
	(void)fputs("a request has no end\n", stderr);
	abort();
}

void fleetnode_init(struct fleetnode *n, sd_event *event, void *world)
{
	*n = (struct fleetnode){ .poll = { .event = event, .overdue = overdue, .userdata = n },
		.world = world };
}

bool fleetnode_kick(struct fleetnode *n, uint64_t *ret_wait_s)
{
	if (n->poll.out || n->poll.waiting)
		return false;
	*ret_wait_s = pace_wait_s(&n->pace, &conf, randombytes_random());
	errand_begin(&n->poll, (*ret_wait_s + NODECALL_POLL_MARGIN_S + OVERDUE_S) * 1000);
	return true;
}

void fleetnode_answered(struct fleetnode *n, const struct nodecall_pace *said)
{
	(void)pace_keep(&n->pace, said);
	errand_succeeded(&n->poll);
}

void fleetnode_failed(struct fleetnode *n, uint64_t retry_after_ms)
{
	errand_failed(&n->poll, pace_spread_ms(&n->pace, &conf), retry_after_ms);
}
