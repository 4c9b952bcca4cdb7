/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Durable reports that the control API has not acknowledged yet (PROTOCOL.md section 6).
 *
 * A report is written in the transaction of the change that it tells of. A batch is fixed (its last
 * seq, time and boot id are stored) before it is first sent, so that a repeated delivery has the
 * same bytes and the chain of `prev` digests holds even when an acknowledgement is lost. */
#pragma once

#include "agent/state/store.h"
#include "proto/base.h"
#include "proto/report.h"

struct outbox;

/* @now_ms: reports that are added from now on have a seq above it. So they have one that was never
 * used, also where the state is of a backup and knows nothing of those that came after: to the API
 * they would be old ones, which it drops. (Fewer than a thousand a second are made.) */
_must_check_ int outbox_open(
	struct store *s, uint64_t max_bytes, int64_t now_ms, struct outbox **ret, struct err *err);
struct outbox *outbox_close(struct outbox *o);

/* For a node of another id: what waits begins a chain of its own, in a batch that is fixed anew. */
void outbox_restart_chain(struct outbox *o);

/* Another bound. Nothing that is kept is lost. @max_bytes 0 is for outbox_open alone. */
void outbox_resize(struct outbox *o, uint64_t max_bytes);

/* Add a report: @body is a JSON object's text with type and at, without seq. In the open
 * transaction. */
void outbox_add(struct outbox *o, const char *body);

/* Add one that may be lost (statistics): kept in memory until the next batch is fixed, for as long
 * as newer ones leave room. It then has "dropped", which counts those that were lost before it.
 * Takes @body. */
void outbox_offer(struct outbox *o, char *body_takes);
/* How many were lost since the agent's start. */
uint64_t outbox_dropped(const struct outbox *o);

/* Too full to take in more orders? (They would need reports.) */
bool outbox_is_full(const struct outbox *o);
uint64_t outbox_reports(const struct outbox *o);
uint64_t outbox_bytes(const struct outbox *o);

/* Fix the next batch if none is fixed and there is something to send. In the open transaction;
 * returns true when a batch is fixed. */
bool outbox_stage(struct outbox *o, int64_t now_ms, const char *boot_id);

/* The fixed batch as a signed envelope (the caller's), or NULL when none is fixed. Only after the
 * commit of outbox_stage. */
char *outbox_envelope(
	struct outbox *o, const char *node_id, const struct report_key *key, size_t *ret_size);

/* Everything up to @seq is stored over there. When this covers the fixed batch it is forgotten and
 * the chain moves on: 1. An acknowledgement of less leaves it to be sent again: 0. Of more than was
 * ever sent: -EBADMSG. */
_must_check_ int outbox_acked(struct outbox *o, uint64_t seq);
