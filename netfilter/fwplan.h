/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A direction's rules as sets: what the kernel is given. Pure.
 *
 * Neighbouring rules of one verdict form a run; within it order means nothing. A run becomes one
 * set per *shape* (which fields its rules look at, and whether a field is a range), tried one after
 * the other. So most changes are changes of a set's elements, which the kernel takes in the same
 * time whatever else the table holds; changes of chains and verdict maps make it walk the whole
 * table.
 *
 * A set of ranges must not hold overlapping ones (the kernel's pipapo sets refuse them): what
 * overlaps goes to a further set of the same shape, what is covered already goes nowhere. */
#pragma once

#include "netfilter/fwrule.h"

#define FWPLAN_FIELDS       4
#define FWPLAN_ELEMENTS_MAX 4096 /* of a direction */

/* The fields of a key, in this order: the protocol first, always; then those of the shape. */
enum fwshape {
	FWSHAPE_ADDRESS = 1 << 0,
	FWSHAPE_PORT = 1 << 1,
	FWSHAPE_SOURCE_PORT = 1 << 2,
	FWSHAPE_ICMP_TYPE = 1 << 3,
	FWSHAPE_ICMP_CODE = 1 << 4,
	FWSHAPE_RANGES = 1 << 5, /* some field of some element is more than one value */
};

struct fwelement {
	struct fwrange field[FWPLAN_FIELDS];
	uint32_t rule; /* index of the first rule that says so */
};

struct fwset {
	unsigned shape;
	enum fwverdict verdict;
	size_t n, allocated;
	struct fwelement *at;
};

struct fwplan {
	size_t n;
	struct fwset *at;
};

/* -E2BIG (CONTAINER_FIREWALL_RULE_LIMIT) for more elements than FWPLAN_ELEMENTS_MAX: lists of ports
 * times lists of addresses. What is covered already counts too, since each is held against all.
 * Disabled rules count as positions only. */
_must_check_ int fwplan_make(
	const struct fwrule *rules, size_t n, struct fwplan *ret, struct err *err);
void fwplan_done(struct fwplan *p);

/* The same sets in the same order, whatever they hold? */
bool fwplan_is_alike(const struct fwplan *a, const struct fwplan *b);

bool fwplan_is_same_element(const struct fwelement *a, const struct fwelement *b);

struct fwpacket {
	uint8_t protocol;
	uint32_t address; /* the peer's, host byte order */
	uint16_t port, source_port;
	uint8_t icmp_type, icmp_code;
};

/* What the kernel would do with a flow's first packet. */
enum fwverdict fwplan_judge(const struct fwplan *p, const struct fwpacket *packet);
