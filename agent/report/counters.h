/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only grows, from the agent's start: counted by whoever does it, shown by
 * agent/stats/metrics.h. */
#pragma once

#include "proto/oprules.h"

/* The firewall's table was changed, by us for a container, or back after somebody else had; or it
 * could not be. */
enum counters_firewall {
	COUNTERS_CHANGED,
	COUNTERS_HEALED,
	COUNTERS_REFUSED,
	COUNTERS_FIREWALL,
};

#define COUNTERS_LEAVES  4
#define COUNTERS_BUCKETS 15   /* of the histogram, the last without an upper bound */
#define COUNTERS_LONG_US 5000 /* of the processor: what a turn of the loop should not need */

/* Upper bounds of the others, in ms. */
extern const int64_t counters_bounds_ms[COUNTERS_BUCKETS - 1];

struct counters {
	uint64_t orders; /* all that have ended */
	struct {
		uint64_t succeeded, failed, sum_ms, bucket[COUNTERS_BUCKETS];
	} op[OP_COUNT];
	uint64_t firewall[COUNTERS_FIREWALL];
	struct {
		const char *program; /* of static storage; NULL: no more of them */
		uint64_t starts;
	} leaf[COUNTERS_LEAVES];
	struct {
		uint64_t turns, long_turns, took_max_us, worked_max_us;
	} loop;
};

struct counters *counters_new(void);
struct counters *counters_free(struct counters *c);

/* An order has ended. */
void counters_order(struct counters *c, enum op op, bool succeeded, int64_t duration_ms);
void counters_firewall(struct counters *c, enum counters_firewall how);
/* A leaf (the courier, the portal) was started. */
void counters_leaf(struct counters *c, const char *program);
/* The loop has turned once: how long that took, waits for the disk included, and what of it was
 * the processor's time. */
void counters_turn(struct counters *c, uint64_t took_us, uint64_t worked_us);
