/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/gather.h"

#define ACCURACY_US 1000

/* What waits is sent in the turn that follows. */
static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	gather_end(userdata);
	return 0;
}

bool gather_waits(struct gather *g, bool worth)
{
	if (!worth || g->over)
		return false;
	if (!g->timer && sd_event_add_time_relative(g->event, &g->timer, CLOCK_MONOTONIC,
				 GATHER_MS * 1000ULL, ACCURACY_US, on_time, g) < 0)
		return false;
	return true;
}

void gather_end(struct gather *g)
{
	g->over = true;
	g->timer = sd_event_source_disable_unref(g->timer);
}

void gather_done(struct gather *g)
{
	gather_end(g);
	g->over = false;
}
