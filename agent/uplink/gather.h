/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether reports wait a little for what follows them. Most orders end some ms after they begin,
 * and while one is at work its beginning is no news: told by itself it is a request, a signature
 * and two commits, on the processors that the order needs. So what waits is sent with the first
 * end, and after GATHER_MS whatever comes. */
#pragma once

#include <systemd/sd-event.h>

#include "proto/base.h"

#define GATHER_MS 50

/* Of the loop's thread. All 0 but @event (borrowed) is a good beginning. */
struct gather {
	sd_event *event;
	sd_event_source *timer; /* NULL: nothing waits */
	bool over;              /* it has waited, or there is an end to tell */
};

/* Does what is there to be sent wait? @worth: there is something, and an order is at work. The loop
 * wakes when the wait is over. */
bool gather_waits(struct gather *g, bool worth);
/* There is an end to tell. */
void gather_end(struct gather *g);
/* All is sent: the next wait begins anew. Also in the end. */
void gather_done(struct gather *g);
