/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/errand.h"

#include <sodium.h>

#include "proto/clock.h"

#define ACCURACY_US (100 * 1000)

/* What waited is sent in the turn that follows. */
static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct errand *e = userdata;

	e->waiting = false;
	if (e->out)
		e->overdue(e);
	return 0;
}

static void arm(struct errand *e, uint64_t ms)
{
	e->timer = sd_event_source_disable_unref(e->timer);
	if (sd_event_add_time_relative(
		    e->event, &e->timer, CLOCK_BOOTTIME, ms * 1000, ACCURACY_US, on_time, e) < 0)
		abort(); /* only for want of memory */
}

void errand_done(struct errand *e)
{
	e->timer = sd_event_source_disable_unref(e->timer);
}

void errand_begin(struct errand *e, uint64_t within_ms)
{
	e->out = true;
	e->sent_us = clock_us(CLOCK_BOOTTIME);
	arm(e, within_ms);
}

uint64_t errand_took_ms(const struct errand *e)
{
	return (clock_us(CLOCK_BOOTTIME) - e->sent_us) / 1000;
}

void errand_end(struct errand *e)
{
	e->out = false;
	if (!e->waiting)
		e->timer = sd_event_source_disable_unref(e->timer);
}

void errand_succeeded(struct errand *e)
{
	errand_end(e);
	backoff_succeeded(&e->backoff);
}

void errand_failed(struct errand *e, uint64_t spread_ms, uint64_t retry_after_ms)
{
	errand_end(e);
	e->waiting = true;
	arm(e, backoff_failed(&e->backoff, spread_ms, retry_after_ms, randombytes_random()));
}

void errand_hurry(struct errand *e)
{
	backoff_succeeded(&e->backoff); /* also of what is out */
	if (!e->waiting)
		return;
	e->waiting = false;
	e->timer = sd_event_source_disable_unref(e->timer);
}
