/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's nftables table: what of it is wanted is kept here, and the kernel's is made equal.
 *
 * A packet's way (chains):
 *
 *   prerouting   from a container's interface: only with its own address and MAC (addresses);
 *                if it isn't closed, the mark of what no table has seen comes off. `divert`: in
 *                proxy mode, DNS goes to its forwarder's socket (tproxy)
 *   reopen       from a closed one, that mark comes off answers; in proxy mode, its other TCP goes
 *                to its forwarder's socket
 *   answers      from a forwarder's socket for DNS: from port 53, as it was asked
 *   forward      to an address of the containers' that none has: host unreachable (`stray`,
 *                netfilter/fwstray). To a container; `leave`: from one, unless it is closed (block
 *                or proxy mode): drop all but answers (`shut`). Of a known flow: pass; neighbour
 *                discovery: drop. A TCP flow that does not begin with a SYN: reject, so that a flow
 *                that was cut is not taken up again in its middle. Then `from` and `to`
 *   from         clouds' metadata services: reject, but DNS. The container's egress rules, by the
 *                verdict map `egress`; unknown interface: drop
 *   to           the proxies' addresses pass, but to port 22; the container's ingress rules, by the
 *                verdict map `ingress`; from another project's container: drop
 *   input        from a container to the host: `from`; to its forwarder; then only DNS and echo
 *                requests (`host`), but none of them in block or proxy mode
 *   output       from the host, forwarders too, to a container: the same of known flows and TCP's
 *                middles, then `to`
 *   admit-from, admit-to
 *                in the end, of what may pass from, or to, a container: its new flows are counted
 *                in a chain of its own, <interface>-f, whichever way they begin (verdict map
 *                `flows`), and more than flows_max refused. Whoever was refused is so for a second
 *                without being counted (full): a count looks at each flow
 *   postrouting  masquerade
 *
 * So what a packet costs does not grow with the number of containers. A direction without rules
 * attached is in no verdict map. One that is has a chain <interface>-i or -e, with a rule per set
 * of its plan (netfilter/fwplan), and rejects in the end; of IPv6 it carries nothing, not even what
 * is under way. Without rules, IPv6 goes the same way, if the container has an address.
 *
 * Every change is one transaction. A change that fails has changed nothing, neither there nor
 * here, but for a removal. */
#pragma once

#include "netfilter/fwplan.h"
#include "netfilter/nfsock.h"

#define FWTABLE_IFNAME_MAX 16

struct fwtable;

struct fwtable_conf {
	const char *table, *prefix;
	bool masquerade, metadata; /* whether clouds' metadata services may be reached */
	uint32_t flows_max;        /* of a container at once; 0: as many as it likes */
	struct fwrange subnet;     /* of new containers; host byte order */
	uint8_t subnet6[16];       /* network byte order */
	unsigned prefix6;          /* its length in bits; 0: there is none */
	struct fwranges proxies;   /* exempt from ingress rules, but for TCP port 22; copied */
};

/* Where what a container sends may go, before its egress rules are asked. Answers within flows that
 * others began go their way in every mode. */
enum fwmode {
	FWMODE_DIRECT,
	FWMODE_BLOCK, /* nowhere */
	FWMODE_PROXY, /* TCP and DNS to the forwarder's socket on this host, all else nowhere */
};

/* A packet for a forwarder has this mark, by which it is routed to this host (netns/rtkeep). */
#define FWTABLE_PROXY_MARK 0x686f6f64 /* "hood" */

/* Each packet comes from a container with this mark, which its link gives it (netns/rtguard) and
 * the table takes off again, of who is closed only from answers: the routes take no packet that has
 * it (netns/rtkeep). So one that no table has seen, since somebody has flushed it, goes
 * nowhere. */
#define FWTABLE_UNSEEN_MARK 0x686f6f66 /* "hoof" */

/* And a forwarder's answer to a DNS query has this one, by which its source port becomes 53. */
#define FWTABLE_ANSWER_MARK 0x686f6f65 /* "hooe" */

/* A container's interface. */
struct fwport {
	char ifname[FWTABLE_IFNAME_MAX];
	uint8_t mac[6];       /* of the container's end */
	uint32_t address;     /* host byte order */
	uint8_t address6[16]; /* network byte order; zero: none */
	uint32_t project;     /* any number that the project's others have too */
	enum fwmode mode;
	uint16_t proxy_port; /* of 127.0.0.1, where the forwarder listens */
};

_must_check_ int fwtable_open(
	const struct fwtable_conf *conf, struct fwtable **ret, struct err *err);
/* The kernel's table stays: containers outlive us. */
struct fwtable *fwtable_close(struct fwtable *t);

/* Know a port without telling the kernel: before fwtable_load. Plans as for fwtable_put. */
void fwtable_expect(
	struct fwtable *t, const struct fwport *port, struct fwplan *take[FW_DIRECTIONS]);

/* Replace the kernel's table by what is wanted, whatever it holds: in one transaction, so that no
 * packet passes in between. At start, and when somebody else has changed it. */
_must_check_ int fwtable_load(struct fwtable *t, struct err *err);

/* Have the kernel forget a table that was ours, by another name than now. Not there: success. */
_must_check_ int fwtable_drop(const char *table, struct err *err);

/* Other addresses of proxies, at the next fwtable_load. Exchanged, so that who calls can go back;
 * false: they are the same. */
bool fwtable_swap_proxies(struct fwtable *t, struct fwranges *proxies);

/* Add a port, or change its rules. @take: a plan of each direction; NULL: detached. They are taken
 * (and emptied) on success only. */
_must_check_ int fwtable_put(struct fwtable *t, const struct fwport *port,
	struct fwplan *take[FW_DIRECTIONS], struct err *err);
/* Not there: success. It is known no longer in any case: what the kernel still has of it when it
 * has refused goes with the next fwtable_load. */
_must_check_ int fwtable_remove(struct fwtable *t, const char *ifname, struct err *err);
bool fwtable_has(const struct fwtable *t, const char *ifname);

/* How often each rule of a direction has decided; @n of them. The kernel counts by element, and an
 * element belongs to the first rule that asks for it. All zero when detached. */
_must_check_ int fwtable_count(struct fwtable *t, const char *ifname, enum fwdirection direction,
	uint64_t *ret_packets, uint64_t *ret_bytes, size_t n);

/* How many packets of new flows a port was refused for having too many flows, since it was last put
 * or the table loaded; as of the last look. */
_must_check_ int fwtable_look_refused(struct fwtable *t);
uint64_t fwtable_refused(const struct fwtable *t, const char *ifname);

/* Would a new flow like this pass? For flows that are under way when rules change. Addresses in
 * host byte order. Masquerading and the anti-spoofing are not looked at. */
struct fwflow {
	uint32_t source, destination;
	uint8_t protocol, icmp_type, icmp_code;
	uint16_t source_port, port;
	bool is_masqueraded;
};
bool fwtable_allows(const struct fwtable *t, const struct fwflow *flow);
/* Is it one that a direct container has begun while it had a forwarder? Conntrack masquerades a
 * flow from its first packet on or never: it would leave with the container's own address. One to
 * the host itself is taken for such a one. */
bool fwtable_was_diverted(const struct fwtable *t, const struct fwflow *flow);

/* Our own netlink address: changes by any other are foreign. */
uint32_t fwtable_netlink_port(const struct fwtable *t);
