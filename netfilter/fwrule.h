/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One firewall rule as people write it, in numbers. Pure.
 *
 * Rules of a direction are tried in order, the first enabled one that matches decides; what none
 * matches is rejected. A list in a rule (ports, addresses) matches when any of its entries does. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

enum fwverdict {
	FW_ALLOW,
	FW_REJECT,
	FW_DROP,
};

enum fwdirection { FW_INGRESS, FW_EGRESS, FW_DIRECTIONS };

/* Both ends belong to it. Addresses are in host byte order. */
struct fwrange {
	uint32_t low, high;
};

struct fwranges {
	size_t n; /* 0: any */
	struct fwrange *at;
};

struct fwrule {
	enum fwverdict action;
	uint8_t protocol; /* IPPROTO_TCP, _UDP or _ICMP */
	bool enabled;
	struct fwranges ports; /* of the destination */
	struct fwranges source_ports;
	struct fwranges
		addresses; /* of the peer: the source of ingress, the destination of egress */
	int icmp_type, icmp_code; /* -1: any */
};

/* The members as they stand in the rule; NULL: not given. They have passed proto/oprules. */
struct fwrule_text {
	const char *action, *protocol, *destination_port, *source_port, *address, *icmp_type,
		*icmp_code, *state;
};

/* -EINVAL (INVALID_PARAMS, with the field) for what no rule may say. Then *@ret is empty. */
_must_check_ int fwrule_parse(const struct fwrule_text *t, struct fwrule *ret, struct err *err);
void fwrule_done(struct fwrule *r);

/* A list says nothing by its order, nor by saying it twice: sorted, and none overlaps another. */
void fwrule_unite(struct fwranges *r);
