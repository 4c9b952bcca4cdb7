/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hears of every change of links, addresses, routes, rules and forwarding (rtnetlink(7)), tells
 * what of ours it may have taken away, and puts that back. What netns/rtlink and a policy's first
 * call have made is looked at, not remembered: the kernel says what is missing. The descriptor is
 * to be watched for input.
 *
 * rtkeep_read and rtkeep_forwards never wait. The others answer within the system call that asks,
 * which waits for the kernel's lock of all links (rtnl): whoever makes or unmakes links, in a
 * container too, has it meanwhile (seen: 0.27 s). They are for a fork of who reads. */
#pragma once

#include "netns/rtname.h"
#include "proto/base.h"

#define RTKEEP_SUSPECTS 64 /* more at once: everything is looked at */

#define RTKEEP_POLICY_TABLE    0x686f /* "ho": any that nobody else has */
#define RTKEEP_POLICY_PRIORITY 100
#define RTKEEP_SOURCE_PRIORITY 99  /* where packets with such marks may come from */
#define RTKEEP_SUBNET_PRIORITY 101 /* what is for containers; behind what a forwarder is to get */

struct rtkeep;

enum rtkeep_kind {
	RTKEEP_LOST,   /* a link, an address, a route or what tc(8) shows is gone */
	RTKEEP_ROUTED, /* a route leaves by it now */
	RTKEEP_MUTED,  /* it forwards no longer */
};

struct rtkeep_suspect {
	enum rtkeep_kind kind;
	int ifindex;      /* 0: of no interface, it leads nowhere */
	uint32_t address; /* whose route it is, host byte order; 0: of more than one, or of IPv6 */
	uint8_t address6[16]; /* the same of IPv6, network byte order; zero: none */
};

struct rtkeep_seen {
	struct rtkeep_suspect at[RTKEEP_SUSPECTS];
	size_t n;
	bool all;     /* so much has happened that nobody knows (ENOBUFS) */
	bool policy;  /* rule or table of what goes to the forwarders */
	bool six_off; /* IPv6 is no longer forwarded */
};

/* What was missing. */
enum rtkeep_missing {
	RTKEEP_UP = 1 << 0,
	RTKEEP_ADDRESS = 1 << 1,
	RTKEEP_ROUTE = 1 << 2,
	RTKEEP_FORWARDING = 1 << 3,
	RTKEEP_POLICY = 1 << 4,
	RTKEEP_GUARD = 1 << 5,
};
#define RTKEEP_WORDS 6

_must_check_ int rtkeep_open(struct rtkeep **ret);
struct rtkeep *rtkeep_close(struct rtkeep *k);
int rtkeep_fd(const struct rtkeep *k);

/* Adds what has come to @seen; a bounded part of it, the descriptor stays readable. */
void rtkeep_read(struct rtkeep *k, struct rtkeep_seen *seen);

/* Before a fork that is to ask: one at a time. What it changes rtkeep_read doesn't hear of. */
void rtkeep_hand_over(struct rtkeep *k);

/* Make the host's end of it what it should be. Returns what was missing (RTKEEP_…), 0 also when the
 * link is gone, or a negative errno. */
_must_check_ int rtkeep_link(struct rtkeep *k, const struct rtlink *l);
/* Rules and one route for all containers, which stay: packets with the forwarders' mark are for
 * this host, whatever their destination (tproxy, ip-rule(8)); those with the mark that only the
 * firewall takes off (netns/rtguard) are forwarded nowhere; where either may come from is as
 * without a mark; what is for a container goes by its own route, whatever rules others have.
 * RTKEEP_POLICY, 0 or a negative errno. */
struct rtkeep_policy {
	uint32_t local_mark, no_mark;
	const char *subnet4, *subnet6; /* ADDRESS/LENGTH; empty: none */
};

_must_check_ int rtkeep_policy(struct rtkeep *k, const struct rtkeep_policy *p);

/* False: what comes in by this interface is not forwarded. */
bool rtkeep_forwards(const char *name);
/* Let what comes in by this interface be forwarded. True: it wasn't. */
bool rtkeep_uplink(const char *name);
/* Every interface that a unicast route leaves by, but loopback and those that begin with @prefix.
 * Returns how many didn't forward, or a negative errno. */
_must_check_ int rtkeep_uplinks(struct rtkeep *k, const char *prefix);

/* The word of the bit of that place, for a report. */
const char *rtkeep_word(unsigned place);
