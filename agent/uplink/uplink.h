/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/uplink: the control API, through the courier.
 *
 * Here lie the judgement of what comes (intake; orderbatch by slices), what goes out and when
 * (errand, pace), what the courier is told (couriersetup), and what is known of the API's clock
 * (apiclock).
 *
 * stats, api and daemon may call it. It may touch the courier's channel, the journal and the
 * outbox; it runs no order, but accepts it into the engine.
 *
 * This header is the way up: the agent's side of the courier. Spawns it, tells it what to fetch and
 * to deliver, and believes nothing that it says but what a signature bears out. All back-off is
 * decided here; a courier that dies or breaks the rules is killed and started again, with back-off
 * too.
 *
 * One poll, one delivery and one set of statistics are out at a time. All functions take NULL
 * (standalone) and do nothing then. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

struct agent;
struct uplink;

_must_check_ int uplink_new(struct agent *a, struct uplink **ret, struct err *err);
struct uplink *uplink_free(struct uplink *u);

/* An order has: its reports wait for nothing any more (agent/uplink/gather). */
void uplink_ended(struct uplink *u);
/* Within a turn, before the commit: fix the next report batch if the last one is through, and its
 * reports need not wait. */
void uplink_stage(struct uplink *u);
/* After the commit: send what may go. */
void uplink_kick(struct uplink *u);

/* The keyset has changed. */
void uplink_keys_changed(struct uplink *u);
/* Poll and deliver now rather than at the end of a back-off, which begins anew. */
void uplink_retry(struct uplink *u);
/* SIGHUP: the same; where token or certificates are others now, with another courier, which knows
 * them. If they can't be read, the one that is there goes on. */
void uplink_renew(struct uplink *u);

/* The newest statistics, which supersede what has not been sent (PROTOCOL.md 10.2). False: they go
 * by reports, to an API that knows no other way; or nowhere, standalone. @stats is the caller's. */
bool uplink_offer_stats(struct uplink *u, json_t *stats);
/* How often they are wanted now; 0: not. */
int64_t uplink_stats_interval_s(const struct uplink *u);

/* As apiclock_json(); standalone: without an offset. */
json_t *uplink_clock(const struct uplink *u);

/* {"url", "state", "last_error"?, "last_error_code"?, "last_http_status"?, "clock", "after",
 * "head_seq"} */
json_t *uplink_status(const struct uplink *u);
