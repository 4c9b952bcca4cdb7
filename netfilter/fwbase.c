/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the table that is the same whatever containers there are. A packet from one passes
 * "prerouting" (has it the address, MAC and interface that we gave? Then the packet is marked
 * with whether the way is open), then "forward" or "input"; a packet to one passes "forward" or
 * "output". TO and FROM ask the rules of either end; KNOWN lets flows under way pass first, by
 * few rules.
 *
 * What is a container's own lies in the maps and sets of netfilter/fwsets.h, by the interface's
 * name: these rules look things up there, and don't grow in number with the containers. Sets are
 * made before chains and chains before rules, since a message may name only what is there.
 *
 * What nothing has allowed from or to an interface of ours is dropped; the packets of other
 * interfaces are let by: what becomes of them is for others to say. */
#include "netfilter/fwbase.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "netfilter/fwsets.h"
#include "netfilter/fwstray.h"
#include "netfilter/nfexpr.h"

/* Beside what others use: before the filters at 0, after conntrack (-200) and its defragmentation
 * (-400). The source is judged before conntrack makes an entry. */
#define PRIORITY_SOURCE  (-301)
#define PRIORITY_ANSWERS (-301) /* before conntrack, which knows the query's flow */
#define PRIORITY_REOPEN  (-199) /* as soon as conntrack knows whose answer it is */
#define PRIORITY_FILTER  (-7)
#define PRIORITY_NAT     101

/* nf_conntrack_common.h has these for the kernel alone. */
#define STATE_INVALID     (1 << 0)
#define STATE_ESTABLISHED (1 << 1)
#define STATE_RELATED     (1 << 2)
#define STATE_NEW         (1 << 3)
#define STATE_UNTRACKED   (1 << 6)

#define ADMIT_FROM "admit-from"
#define ADMIT_TO   "admit-to"
#define DIVERT     "divert"
#define REOPEN     "reopen"
#define KNOWN      "known"
#define LEAVE      "leave"
#define FROM       "from"
#define TO         "to"
#define HOST       "host"
#define SHUT       "shut"
#define SERVICES   "services"

static void copy_name(char to[static FWTABLE_IFNAME_MAX], const char *ifname)
{
	size_t n = strnlen(ifname, FWTABLE_IFNAME_MAX - 1);

	memcpy(to, ifname, n); /* the rest is zero already */
}

struct fwbase_family_key fwbase_family_key(uint8_t family, const char *ifname)
{
	struct fwbase_family_key k = { .family = family };

	copy_name(k.ifname, ifname);
	return k;
}

struct fwbase_address_key fwbase_address_key(const struct fwport *p)
{
	struct fwbase_address_key k = { .address = htonl(p->address) };

	copy_name(k.ifname, p->ifname);
	memcpy(k.mac, p->mac, sizeof(k.mac));
	return k;
}

struct fwbase_address6_key fwbase_address6_key(const struct fwport *p)
{
	struct fwbase_address6_key k = {};

	copy_name(k.ifname, p->ifname);
	memcpy(k.mac, p->mac, sizeof(k.mac));
	memcpy(k.address, p->address6, sizeof(k.address));
	return k;
}

struct fwbase_member_key fwbase_member_key(const struct fwport *p)
{
	struct fwbase_member_key k = { .project = p->project };

	copy_name(k.ifname, p->ifname);
	return k;
}

/* --- words that several rules begin with --- */

static struct nftnl_rule *of_ours(uint32_t key, const char *prefix, bool ours)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, key, 0);
	if (ours)
		nfexpr_is(r, 0, prefix, (uint32_t)strlen(prefix));
	else
		nfexpr_is_not(r, 0, prefix, (uint32_t)strlen(prefix));
	return r;
}

static void is_family(struct nftnl_rule *r, uint8_t family)
{
	nfexpr_meta(r, NFT_META_NFPROTO, 0);
	nfexpr_is(r, 0, &family, sizeof(family));
}

static void is_protocol(struct nftnl_rule *r, uint8_t protocol)
{
	nfexpr_meta(r, NFT_META_L4PROTO, 0);
	nfexpr_is(r, 0, &protocol, sizeof(protocol));
}

static void is_port(struct nftnl_rule *r, uint16_t port, bool is)
{
	const uint16_t wire = htons(port);

	nfexpr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(wire), 0);
	if (is)
		nfexpr_is(r, 0, &wire, sizeof(wire));
	else
		nfexpr_is_not(r, 0, &wire, sizeof(wire));
}

static void end(struct nfbatch *b, const char *chain, struct nftnl_rule *r, int verdict)
{
	nfexpr_verdict(r, verdict, NULL);
	nfbatch_add_rule(b, chain, r);
}

static void end_at(
	struct nfbatch *b, const char *chain, struct nftnl_rule *r, int verdict, const char *target)
{
	nfexpr_verdict(r, verdict, target);
	nfbatch_add_rule(b, chain, r);
}

/* --- chains --- */

static void build_prerouting(struct nfbatch *b, const char *prefix)
{
	static const char chain[] = "prerouting";
	struct nftnl_rule *r;

	end(b, chain, of_ours(NFT_META_IIFNAME, prefix, false), NF_ACCEPT);
	r = nfexpr_rule();
	is_family(r, NFPROTO_IPV4);
	nfexpr_meta(r, NFT_META_IIFNAME, 0);
	nfexpr_payload(r, NFT_PAYLOAD_LL_HEADER, 6, 6, 4);
	nfexpr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 6);
	nfexpr_map(r, 0, FWBASE_ADDRESSES, 12);
	nfexpr_set_meta(r, NFT_META_MARK, 12);
	end_at(b, chain, r, NFT_GOTO, DIVERT);
	r = nfexpr_rule();
	is_family(r, NFPROTO_IPV6);
	nfexpr_meta(r, NFT_META_IIFNAME, 0);
	nfexpr_payload(r, NFT_PAYLOAD_LL_HEADER, 6, 6, 4);
	nfexpr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 6);
	nfexpr_map(r, 0, FWBASE_ADDRESSES6, 12);
	nfexpr_set_meta(r, NFT_META_MARK, 12);
	end_at(b, chain, r, NFT_GOTO, DIVERT);
	end(b, chain, nfexpr_rule(), NF_DROP);
}

static void dispatch(struct nftnl_rule *r, uint32_t key, enum fwdirection d)
{
	nfexpr_meta(r, NFT_META_NFPROTO, 0);
	nfexpr_meta(r, key, 1);
	nfexpr_verdict_map(r, 0, fwsets_maps[d]);
}

/* What most packets are is asked with as few words as can be: a new flow's pay for what follows. */
static void add_known_flows(struct nfbatch *b, const char *chain)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_ct_state_is_not(r, STATE_NEW);
	end_at(b, chain, r, NFT_JUMP, KNOWN);
}

/* Rules speak of IPv4 alone: whose direction has any carries no IPv6, not of flows under way
 * either. */
static void build_known(struct nfbatch *b, const char *prefix)
{
	static const uint32_t ways[] = { NFT_META_IIFNAME, NFT_META_OIFNAME };
	static const enum fwdirection directions[] = { FW_EGRESS, FW_INGRESS };
	struct nftnl_rule *r;

	for (size_t i = 0; i < countof(ways); i++) {
		r = nfexpr_rule();
		is_family(r, NFPROTO_IPV6);
		dispatch(r, ways[i], directions[i]);
		nfbatch_add_rule(b, KNOWN, r);
	}
	r = nfexpr_rule();
	nfexpr_ct_state(r, STATE_ESTABLISHED | STATE_RELATED);
	end(b, KNOWN, r, NF_ACCEPT);
	for (size_t i = 0; i < countof(ways); i++) {
		r = of_ours(ways[i], prefix, true);
		nfexpr_ct_state(r, STATE_INVALID);
		end(b, KNOWN, r, NF_DROP);
		/* Neighbour discovery and MLD, which conntrack doesn't follow: of links, never of
		 * routes. */
		r = of_ours(ways[i], prefix, true);
		is_protocol(r, IPPROTO_ICMPV6);
		nfexpr_ct_state(r, STATE_UNTRACKED);
		end(b, KNOWN, r, NF_DROP);
	}
}

/* Conntrack takes up a TCP flow in its middle, from either side; then a flow that we have cut would
 * live on by its answers. @way: the end that is a container's. */
static void add_no_middles(struct nfbatch *b, const char *chain, uint32_t way, const char *prefix)
{
	const uint8_t mask = TH_FIN | TH_SYN | TH_RST | TH_ACK, syn = TH_SYN;
	struct nftnl_rule *r = nfexpr_rule();

	is_protocol(r, IPPROTO_TCP);
	nfexpr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0);
	nfexpr_mask(r, 0, &mask, sizeof(mask));
	nfexpr_is_not(r, 0, &syn, sizeof(syn));
	nfexpr_meta(r, way, 0);
	nfexpr_is(r, 0, prefix, (uint32_t)strlen(prefix));
	end_at(b, chain, r, NFT_GOTO, FWBASE_REJECT);
}

static void add_dispatch(struct nfbatch *b, const char *chain, uint32_t key, enum fwdirection d)
{
	struct nftnl_rule *r = nfexpr_rule();

	dispatch(r, key, d);
	nfbatch_add_rule(b, chain, r);
}

/* A lookup that finds nothing ends the rule. */
static void add_known(struct nfbatch *b, const char *chain, uint32_t key)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, key, 0);
	nfexpr_map(r, 0, FWBASE_PROJECTS, 4);
	end(b, chain, r, NFT_RETURN);
}

/* In block and proxy mode: flows that it begins, or has begun before, end here. What is on its way
 * to its forwarder has the mark; nothing of it is ever forwarded. The name is asked first: what
 * conntrack doesn't follow has no direction, and a rule that asks for it would let it by. */
static void add_closed(struct nfbatch *b, const char *chain, bool has_forwarder)
{
	const uint32_t mark = FWTABLE_PROXY_MARK;
	struct nftnl_rule *r = nfexpr_rule();

	if (has_forwarder) {
		nfexpr_meta(r, NFT_META_MARK, 0);
		nfexpr_is_not(r, 0, &mark, sizeof(mark));
	}
	nfexpr_meta(r, NFT_META_IIFNAME, 0);
	nfexpr_in(r, 0, FWBASE_CLOSED, false);
	end_at(b, chain, r, NFT_JUMP, SHUT);
}

static void build_shut(struct nfbatch *b)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_ct_answer(r);
	end(b, SHUT, r, NFT_RETURN);
	end(b, SHUT, nfexpr_rule(), NF_DROP);
}

/* An end of a new flow may have too many of them. A flow's later packets are new too, until it is
 * answered. Two chains, not one that asks for both ends: the kernel looks through all that a map
 * leads to once for each way that leads to the map, whenever a jump is added. */
static void build_admit(struct nfbatch *b, const char *chain, uint32_t way, uint32_t flows_max)
{
	struct nftnl_rule *r = nfexpr_rule();

	if (flows_max == 0)
		return;
	nfexpr_ct_state_is_not(r, STATE_NEW);
	end(b, chain, r, NFT_RETURN);
	r = nfexpr_rule();
	nfexpr_ct_confirmed(r);
	end(b, chain, r, NFT_RETURN);
	r = nfexpr_rule();
	nfexpr_meta(r, way, 0);
	nfexpr_in(r, 0, FWBASE_FULL, false);
	nfexpr_in(r, 0, FWBASE_REFUSED, false);
	end(b, chain, r, NF_DROP);
	r = nfexpr_rule();
	nfexpr_meta(r, way, 0);
	nfexpr_verdict_map(r, 0, FWBASE_FLOWS);
	nfbatch_add_rule(b, chain, r);
}

static void add_dns(struct nfbatch *b, const char *chain)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

	for (size_t i = 0; i < countof(protocols); i++) {
		struct nftnl_rule *r = nfexpr_rule();

		is_protocol(r, protocols[i]);
		is_port(r, 53, true);
		end(b, chain, r, NFT_RETURN);
	}
}

/* Whoever reaches a cloud's metadata service gets the host's own rights there; names it may ask
 * (some clouds have their resolver at the same address). */
static void add_no_metadata(struct nfbatch *b)
{
	static const struct {
		uint8_t family, address[16];
		uint32_t offset, size;
	} services[] = {
		{ NFPROTO_IPV4, { 169, 254, 169, 254 }, 16, 4 },
		{ NFPROTO_IPV4, { 169, 254, 170, 2 }, 16, 4 },   /* of ECS tasks */
		{ NFPROTO_IPV4, { 168, 63, 129, 16 }, 16, 4 },   /* Azure's */
		{ NFPROTO_IPV4, { 100, 100, 100, 200 }, 16, 4 }, /* Alibaba's */
		{ NFPROTO_IPV6, { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 24, 16 },
		{ NFPROTO_IPV6, { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54 }, 24, 16 },
	};

	for (size_t i = 0; i < countof(services); i++) {
		struct nftnl_rule *r = nfexpr_rule();

		is_family(r, services[i].family);
		nfexpr_payload(
			r, NFT_PAYLOAD_NETWORK_HEADER, services[i].offset, services[i].size, 4);
		nfexpr_is(r, 4, services[i].address, services[i].size);
		end_at(b, FROM, r, NFT_JUMP, SERVICES);
	}
	add_dns(b, SERVICES);
	end_at(b, SERVICES, nfexpr_rule(), NFT_GOTO, FWBASE_REJECT);
}

static void set_mark(struct nftnl_rule *r, uint32_t mark)
{
	nfexpr_immediate(r, 2, &mark, sizeof(mark));
	nfexpr_set_meta(r, NFT_META_MARK, 2);
}

static void add_open(struct nfbatch *b, const char *chain)
{
	const uint32_t unseen = FWTABLE_UNSEEN_MARK;
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, NFT_META_MARK, 0);
	nfexpr_is_not(r, 0, &unseen, sizeof(unseen));
	end(b, chain, r, NF_ACCEPT);
}

/* Where no forwarder listens the rule ends without a verdict, and what follows drops. */
static void add_diverted(struct nfbatch *b, const char *chain, uint8_t protocol)
{
	const uint32_t local = htonl(INADDR_LOOPBACK);
	struct nftnl_rule *r = nfexpr_rule();

	is_family(r, NFPROTO_IPV4);
	is_protocol(r, protocol);
	if (protocol == IPPROTO_UDP)
		is_port(r, 53, true);
	nfexpr_meta(r, NFT_META_IIFNAME, 4);
	nfexpr_map(r, 4, FWBASE_PROXIED, 1);
	nfexpr_immediate(r, 0, &local, sizeof(local));
	nfexpr_tproxy(r, 0, 1);
	set_mark(r, FWTABLE_PROXY_MARK);
	end(b, chain, r, NF_ACCEPT);
}

/* What a closed one answers, as soon as it is known for an answer: before its other TCP goes to its
 * forwarder, whose listener would refuse it. */
static void build_reopen(struct nfbatch *b)
{
	struct nftnl_rule *r = nfexpr_rule();

	add_open(b, REOPEN);
	nfexpr_ct_answer(r);
	set_mark(r, 0);
	end(b, REOPEN, r, NF_ACCEPT);
	add_diverted(b, REOPEN, IPPROTO_TCP);
}

/* A query is never taken for an answer, though conntrack does when it knows no more than what a
 * forwarder has answered late. TCP has no such middles (build_output). */
static void build_divert(struct nfbatch *b)
{
	add_open(b, DIVERT);
	add_diverted(b, DIVERT, IPPROTO_UDP);
}

/* Unbound sockets could answer from port 53 themselves, but need a privilege for it that forwarders
 * don't have. */
static void build_answers(struct nfbatch *b)
{
	const uint32_t mark = FWTABLE_ANSWER_MARK;
	const uint16_t port = htons(53);
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, NFT_META_MARK, 0);
	nfexpr_is(r, 0, &mark, sizeof(mark));
	is_protocol(r, IPPROTO_UDP);
	nfexpr_immediate(r, 0, &port, sizeof(port));
	nfexpr_set_transport(r, offsetof(struct udphdr, source), sizeof(port), 0,
		offsetof(struct udphdr, check));
	nfbatch_add_rule(b, "answers", r);
}

static void build_from(struct nfbatch *b, bool metadata)
{
	if (!metadata)
		add_no_metadata(b);
	add_dispatch(b, FROM, NFT_META_IIFNAME, FW_EGRESS);
	add_known(b, FROM, NFT_META_IIFNAME);
	end(b, FROM, nfexpr_rule(), NF_DROP);
}

static struct nftnl_rule *from_proxies(void)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, NFT_META_NFPROTO, 0);
	nfexpr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 1);
	nfexpr_in(r, 0, FWBASE_PROXIES, false);
	return r;
}

static void add_proxy_exemption(struct nfbatch *b)
{
	const uint8_t tcp = IPPROTO_TCP;
	struct nftnl_rule *r = from_proxies();

	nfexpr_meta(r, NFT_META_L4PROTO, 0);
	nfexpr_is_not(r, 0, &tcp, sizeof(tcp));
	end(b, TO, r, NFT_RETURN);
	r = from_proxies();
	is_protocol(r, IPPROTO_TCP);
	is_port(r, 22, false);
	end(b, TO, r, NFT_RETURN);
}

static void build_to(struct nfbatch *b, const struct fwtable_conf *conf)
{
	struct nftnl_rule *r = nfexpr_rule();

	if (conf->proxies.n > 0)
		add_proxy_exemption(b);
	add_dispatch(b, TO, NFT_META_OIFNAME, FW_INGRESS);
	end(b, TO, of_ours(NFT_META_OIFNAME, conf->prefix, false), NFT_RETURN);
	/* Of one project? The packet's mark carries the number from one lookup to the next, and is
	 * what it was afterwards: a key that begins with what a map gave is more than nft(8) can
	 * list (1.0.6 aborts). */
	nfexpr_meta(r, NFT_META_MARK, 8);
	nfexpr_meta(r, NFT_META_IIFNAME, 0);
	nfexpr_map(r, 0, FWBASE_PROJECTS, 4);
	nfexpr_set_meta(r, NFT_META_MARK, 4);
	nfexpr_meta(r, NFT_META_MARK, 0);
	nfexpr_meta(r, NFT_META_OIFNAME, 1);
	nfexpr_in(r, 0, FWBASE_MEMBERS, false);
	nfexpr_set_meta(r, NFT_META_MARK, 8);
	end(b, TO, r, NFT_RETURN);
	end(b, TO, of_ours(NFT_META_IIFNAME, conf->prefix, true), NF_DROP);
	add_known(b, TO, NFT_META_OIFNAME);
	end(b, TO, nfexpr_rule(), NF_DROP);
}

static void build_forward(struct nfbatch *b, const struct fwtable_conf *conf)
{
	static const char chain[] = "forward";
	const char *prefix = conf->prefix;

	fwstray_build(b, chain, conf);
	end_at(b, chain, of_ours(NFT_META_IIFNAME, prefix, true), NFT_GOTO, LEAVE);
	add_known_flows(b, chain);
	add_no_middles(b, chain, NFT_META_OIFNAME, prefix);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, TO);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, ADMIT_TO);
}

static void build_leave(struct nfbatch *b, const char *prefix)
{
	add_closed(b, LEAVE, false);
	add_known_flows(b, LEAVE);
	add_no_middles(b, LEAVE, NFT_META_IIFNAME, prefix);
	end_at(b, LEAVE, nfexpr_rule(), NFT_JUMP, FROM);
	end_at(b, LEAVE, nfexpr_rule(), NFT_JUMP, TO);
	end_at(b, LEAVE, nfexpr_rule(), NFT_JUMP, ADMIT_FROM);
	end_at(b, LEAVE, nfexpr_rule(), NFT_JUMP, ADMIT_TO);
}

/* What of the host is a container's to reach. */
static void build_host(struct nfbatch *b)
{
	static const uint8_t echo[][2] = { { IPPROTO_ICMP, ICMP_ECHO },
		{ IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST } };
	const uint32_t mark = FWTABLE_PROXY_MARK;
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, NFT_META_MARK, 0);
	nfexpr_is(r, 0, &mark, sizeof(mark));
	end(b, HOST, r, NFT_RETURN);
	for (size_t i = 0; i < countof(echo); i++) {
		r = nfexpr_rule();
		is_protocol(r, echo[i][0]);
		nfexpr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0);
		nfexpr_is(r, 0, &echo[i][1], 1);
		end(b, HOST, r, NFT_RETURN);
	}
	add_dns(b, HOST);
	end(b, HOST, nfexpr_rule(), NF_DROP);
}

static void build_input(struct nfbatch *b, const char *prefix)
{
	static const char chain[] = "input";

	end(b, chain, of_ours(NFT_META_IIFNAME, prefix, false), NF_ACCEPT);
	add_closed(b, chain, true);
	add_known_flows(b, chain);
	add_no_middles(b, chain, NFT_META_IIFNAME, prefix);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, FROM);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, HOST);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, ADMIT_FROM);
}

static void build_output(struct nfbatch *b, const char *prefix)
{
	static const char chain[] = "output";

	end(b, chain, of_ours(NFT_META_OIFNAME, prefix, false), NF_ACCEPT);
	add_known_flows(b, chain);
	add_no_middles(b, chain, NFT_META_OIFNAME, prefix);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, TO);
	end_at(b, chain, nfexpr_rule(), NFT_JUMP, ADMIT_TO);
}

static void build_postrouting(struct nfbatch *b, const struct fwtable_conf *conf)
{
	struct nftnl_rule *r = of_ours(NFT_META_OIFNAME, conf->prefix, false);

	is_family(r, NFPROTO_IPV4);
	nfexpr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 0);
	nfexpr_in(r, 0, FWBASE_SOURCES, false);
	nfexpr_masquerade(r);
	nfbatch_add_rule(b, "postrouting", r);
}

static void build_reject(struct nfbatch *b)
{
	struct nftnl_rule *r = nfexpr_rule();

	is_protocol(r, IPPROTO_TCP);
	nfexpr_reject(r, NFT_REJECT_TCP_RST, 0);
	nfbatch_add_rule(b, FWBASE_REJECT, r);
	r = nfexpr_rule();
	nfexpr_reject(r, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
	nfbatch_add_rule(b, FWBASE_REJECT, r);
}

void fwbase_build(struct nfbatch *b, const struct fwtable_conf *conf)
{
	static const struct {
		const char *name;
		unsigned hook;
		int priority;
	} bases[] = {
		{ "prerouting", NF_INET_PRE_ROUTING, PRIORITY_SOURCE },
		{ REOPEN, NF_INET_PRE_ROUTING, PRIORITY_REOPEN },
		{ "answers", NF_INET_LOCAL_OUT, PRIORITY_ANSWERS },
		{ "forward", NF_INET_FORWARD, PRIORITY_FILTER },
		{ "input", NF_INET_LOCAL_IN, PRIORITY_FILTER },
		{ "output", NF_INET_LOCAL_OUT, PRIORITY_FILTER },
	};
	static const char *const chains[] = { FWBASE_REJECT, ADMIT_FROM, ADMIT_TO, SHUT, SERVICES,
		DIVERT, KNOWN, LEAVE, FROM, TO, HOST };

	fwsets_build(b, conf);
	for (size_t i = 0; i < countof(bases); i++)
		nfbatch_add_base_chain(
			b, bases[i].name, "filter", bases[i].hook, bases[i].priority);
	for (size_t i = 0; i < countof(chains); i++)
		nfbatch_add_chain(b, chains[i]);
	build_reject(b);
	build_admit(b, ADMIT_FROM, NFT_META_IIFNAME, conf->flows_max);
	build_admit(b, ADMIT_TO, NFT_META_OIFNAME, conf->flows_max);
	build_shut(b);
	build_prerouting(b, conf->prefix);
	build_divert(b);
	build_reopen(b);
	build_answers(b);
	build_from(b, conf->metadata);
	build_to(b, conf);
	build_forward(b, conf);
	build_known(b, conf->prefix);
	build_leave(b, conf->prefix);
	build_host(b);
	build_input(b, conf->prefix);
	build_output(b, conf->prefix);
	if (conf->masquerade) {
		nfbatch_add_base_chain(b, "postrouting", "nat", NF_INET_POST_ROUTING, PRIORITY_NAT);
		build_postrouting(b, conf);
	}
}
