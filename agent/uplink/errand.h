/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kind of request to the control API: one is out at a time, and after one that failed the next
 * waits. */
#pragma once

#include <systemd/sd-event.h>

#include "agent/common/backoff.h"

struct errand {
	sd_event *event;                   /* borrowed */
	void (*overdue)(struct errand *e); /* no answer in time */
	void *userdata;
	uint64_t id;            /* of the one that is out; the owner's */
	int64_t keyset_version; /* with which it was asked; the owner's */
	bool out, waiting;
	uint64_t sent_us;
	struct backoff backoff;
	sd_event_source *timer; /* out: until the answer is overdue; waiting: not before it fires */
};

void errand_done(struct errand *e);

/* It is out, and overdue after @within_ms. */
void errand_begin(struct errand *e, uint64_t within_ms);
/* Since it began. */
uint64_t errand_took_ms(const struct errand *e);

/* It has ended: without a word about the next, well, or so that the next waits
 * (agent/common/backoff). */
void errand_end(struct errand *e);
void errand_succeeded(struct errand *e);
void errand_failed(struct errand *e, uint64_t spread_ms, uint64_t retry_after_ms);

/* Wait no longer; back-off begins anew. */
void errand_hurry(struct errand *e);
