/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/pace.h"

#include "agent/common/backoff.h"

bool pace_keep(struct pace *p, const struct nodecall_pace *said)
{
	if (said->said)
		p->said = *said;
	return said->said;
}

/* The API's word, or the configuration's. */
static int64_t choose(const struct pace *p, int64_t word, int64_t configured)
{
	return p->said.said && word >= 0 ? word : configured;
}

uint64_t pace_wait_s(const struct pace *p, const struct conf *c, uint32_t random)
{
	int64_t s = choose(p, p->said.poll_wait_s, c->control.poll_wait_s);

	return backoff_draw_wait_s((uint64_t)s, random);
}

uint64_t pace_spread_ms(const struct pace *p, const struct conf *c)
{
	return (uint64_t)choose(p, p->said.spread_s, c->control.reconnect_spread_s) * 1000;
}

int64_t pace_stats_s(const struct pace *p, const struct conf *c, int64_t now_ms)
{
	if (p->said.said && now_ms < p->said.stats_until_ms)
		return choose(p, p->said.stats_interval_s, c->control.stats_interval_s);
	return c->control.stats_interval_s ? c->control.stats_idle_interval_s : 0;
}
