/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls that a node makes of the control API (PROTOCOL.md section 1): their paths, which an
 * answer's signature is bound to, and what their answers say. The courier makes them; whether an
 * answer is believed is decided by whoever verifies its signature, so both sides read answers by
 * these functions. Pure. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "proto/orderpack.h"

/* The courier's time-outs: what a poll has beyond its wait, and a delivery. One that keeps neither
 * has stopped, and is killed a little later. */
#define NODECALL_POLL_MARGIN_S 20
#define NODECALL_DELIVER_S     60

#define NODECALL_POLL_WAIT_MAX_S 600
#define NODECALL_SPREAD_MAX_S    3600
#define NODECALL_STATS_MAX_S     3600
#define NODECALL_BODY_MAX        (16UL * 1024 * 1024) /* of an answer, decoded */
#define NODECALL_SIGNATURE_MAX   1024                 /* of the header's value */

/* Of each request: the version of the keyset that the node trusts (PROTOCOL.md 10.11). */
#define NODECALL_KEYSET_HEADER "X-Hoody-Keyset"

/* Below ApiUrl; the caller's. */
char *nodecall_orders_path(const char *node_id, uint64_t after, uint64_t wait_s, uint64_t limit);
char *nodecall_reports_path(const char *node_id);
char *nodecall_stats_path(const char *node_id);

/* The path of a URL with what stands behind it: of "https://host/api/v1", "/api/v1"; "" when it has
 * none. Borrowed. */
const char *nodecall_base_path(const char *url);

/* meta.pace of a signed answer (PROTOCOL.md 10.1), clamped; an interval that it doesn't say is
 * -1. */
struct nodecall_pace {
	bool said; /* there is one: it holds until the next */
	int64_t poll_wait_s, spread_s, stats_interval_s;
	int64_t stats_until_ms; /* since the epoch; 0: not leased */
};

struct nodecall_orders {
	struct orderpack pack; /* first the keysets, then the orders: envelopes as they came */
	uint64_t n_keysets, n_orders;
	uint64_t head_seq;
	struct nodecall_pace pace;
};
void nodecall_orders_done(struct nodecall_orders *o);
#define _cleanup_nodecall_orders_ _cleanup_(nodecall_orders_done)

/* The answers' bodies. -EBADMSG: not what the protocol says, or more than its limits allow. */
_must_check_ int nodecall_read_orders(const void *body, size_t size, struct nodecall_orders *ret);
/* Of an answer that has nothing else to say, or no body at all. */
struct nodecall_pace nodecall_read_pace(const void *body, size_t size);
_must_check_ int nodecall_read_acked(
	const void *body, size_t size, uint64_t *ret_acked_seq, struct nodecall_pace *ret_pace);
