/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every packet that is forwarded is asked for its destination, flows under way as well: conntrack
 * knows those of a container that has just stopped for some while. Only what is for the
 * containers' networks is looked at further.
 *
 * The kernel says the destination itself where the next hop is no gateway (NFT_RT_NEXTHOP4), also
 * where an IPv4 route has a gateway of IPv6, which is then taken for a network of the host's. */
#include "netfilter/fwstray.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if_arp.h>

#include "netfilter/nfexpr.h"

#define STRAY       "stray"
#define UNREACHABLE "unreachable"

struct network {
	uint8_t family;
	uint32_t destination, next_hop; /* an offset, and NFT_RT_… */
	uint32_t size;
	uint8_t address[16], mask[16];
};

static void fill_mask(struct network *n, unsigned prefix)
{
	for (unsigned bit = 0; bit < prefix; bit++)
		n->mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (size_t i = 0; i < sizeof(n->mask); i++)
		n->address[i] &= n->mask[i];
}

static struct network network4(const struct fwtable_conf *conf)
{
	struct network n = { NFPROTO_IPV4, 16, NFT_RT_NEXTHOP4, sizeof(uint32_t), {}, {} };
	const uint32_t address = htonl(conf->subnet.low);

	memcpy(n.address, &address, sizeof(address));
	fill_mask(&n, (unsigned)__builtin_popcount(~(conf->subnet.high - conf->subnet.low)));
	return n;
}

static struct network network6(const struct fwtable_conf *conf)
{
	struct network n = { NFPROTO_IPV6, 24, NFT_RT_NEXTHOP6, sizeof(conf->subnet6), {}, {} };

	memcpy(n.address, conf->subnet6, sizeof(conf->subnet6));
	fill_mask(&n, conf->prefix6);
	return n;
}

static struct nftnl_rule *of_family(const struct network *n)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_meta(r, NFT_META_NFPROTO, 0);
	nfexpr_is(r, 0, &n->family, sizeof(n->family));
	return r;
}

static void add(
	struct nfbatch *b, const char *chain, struct nftnl_rule *r, int verdict, const char *to)
{
	nfexpr_verdict(r, verdict, to);
	nfbatch_add_rule(b, chain, r);
}

static void add_network(struct nfbatch *b, const char *chain, const struct network *n)
{
	struct nftnl_rule *r = of_family(n);

	nfexpr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, n->destination, n->size, 0);
	nfexpr_mask(r, 0, n->mask, n->size);
	nfexpr_is(r, 0, n->address, n->size);
	add(b, chain, r, NFT_JUMP, STRAY);
	r = of_family(n);
	nfexpr_next_hop(r, n->next_hop, 0);
	nfexpr_mask(r, 0, n->mask, n->size);
	nfexpr_is_not(r, 0, n->address, n->size);
	add(b, STRAY, r, NFT_GOTO, UNREACHABLE);
}

void fwstray_build(struct nfbatch *b, const char *chain, const struct fwtable_conf *conf)
{
	const struct network four = network4(conf), six = network6(conf);
	const uint16_t ethernet = ARPHRD_ETHER;
	struct nftnl_rule *r = nfexpr_rule();

	nfbatch_add_chain(b, UNREACHABLE);
	nfbatch_add_chain(b, STRAY);
	nfexpr_reject(r, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_HOST_UNREACH);
	nfbatch_add_rule(b, UNREACHABLE, r);
	r = nfexpr_rule();
	nfexpr_meta(r, NFT_META_OIFNAME, 0);
	nfexpr_is(r, 0, conf->prefix, (uint32_t)strlen(conf->prefix));
	add(b, STRAY, r, NFT_RETURN, NULL);
	r = nfexpr_rule();
	nfexpr_meta(r, NFT_META_OIFTYPE, 0);
	nfexpr_is_not(r, 0, &ethernet, sizeof(ethernet));
	add(b, STRAY, r, NFT_GOTO, UNREACHABLE);
	add_network(b, chain, &four);
	if (conf->prefix6 > 0)
		add_network(b, chain, &six);
}
