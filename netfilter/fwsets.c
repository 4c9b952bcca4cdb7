/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/fwsets.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netfilter/fwbase.h"

const char *const fwsets_maps[FW_DIRECTIONS] = { [FW_INGRESS] = "ingress", [FW_EGRESS] = "egress" };

/* for so long, whoever has too many flows isn't counted again: a count looks at each */
#define FULL_MS 1000

/* nft(8)'s numbers of data types. */
enum {
	TYPE_BITS = 6,
	TYPE_NFPROTO = 2,
	TYPE_IPADDR = 7,
	TYPE_IP6ADDR = 8,
	TYPE_ETHERADDR = 9,
	TYPE_INET_SERVICE = 13,
	TYPE_MARK = 19,
	TYPE_IFNAME = 41,
};

static void add_sets(struct nfbatch *b)
{
	static const uint8_t of_address[] = { 16, 6, 4, 0 }, of_address6[] = { 16, 6, 16, 0 },
			     of_member[] = { 4, 16, 0 }, of_interface[] = { 16, 0 },
			     of_family[] = { 1, 16, 0 }, of_proxy[] = { 1, 4, 0 },
			     of_source[] = { 4, 0 };
	const struct nfbatch_set sets[] = {
		{ FWBASE_ADDRESSES, NFT_SET_MAP,
			(TYPE_IFNAME << TYPE_BITS | TYPE_ETHERADDR) << TYPE_BITS | TYPE_IPADDR,
			TYPE_MARK, 4, of_address, false },
		{ FWBASE_ADDRESSES6, NFT_SET_MAP,
			(TYPE_IFNAME << TYPE_BITS | TYPE_ETHERADDR) << TYPE_BITS | TYPE_IP6ADDR,
			TYPE_MARK, 4, of_address6, false },
		{ FWBASE_SOURCES, 0, TYPE_IPADDR, 0, 0, of_source, false },
		{ FWBASE_MEMBERS, 0, TYPE_MARK << TYPE_BITS | TYPE_IFNAME, 0, 0, of_member, false },
		{ FWBASE_PROJECTS, NFT_SET_MAP, TYPE_IFNAME, TYPE_MARK, 4, of_interface, false },
		{ FWBASE_CLOSED, 0, TYPE_IFNAME, 0, 0, of_interface, false },
		{ FWBASE_PROXIED, NFT_SET_MAP, TYPE_IFNAME, TYPE_INET_SERVICE, 2, of_interface,
			false },
		{ fwsets_maps[FW_INGRESS], NFT_SET_MAP, TYPE_NFPROTO << TYPE_BITS | TYPE_IFNAME,
			NFT_DATA_VERDICT, 0, of_family, false },
		{ fwsets_maps[FW_EGRESS], NFT_SET_MAP, TYPE_NFPROTO << TYPE_BITS | TYPE_IFNAME,
			NFT_DATA_VERDICT, 0, of_family, false },
		{ FWBASE_PROXIES, NFT_SET_INTERVAL, TYPE_NFPROTO << TYPE_BITS | TYPE_IPADDR, 0, 0,
			of_proxy, false },
		{ FWBASE_FLOWS, NFT_SET_MAP, TYPE_IFNAME, NFT_DATA_VERDICT, 0, of_interface,
			false },
		{ FWBASE_REFUSED, 0, TYPE_IFNAME, 0, 0, of_interface, true },
		{ FWBASE_FULL, NFT_SET_TIMEOUT | NFT_SET_EVAL, TYPE_IFNAME, 0, 0, of_interface,
			false, FULL_MS },
	};

	for (size_t i = 0; i < countof(sets); i++)
		nfbatch_add_set(b, &sets[i]);
}

struct proxy_key {
	uint8_t family, pad[3];
	uint32_t address;
};

static void add_proxies(struct nfbatch *b, const struct fwranges *proxies)
{
	_cleanup_(freep) struct proxy_key *keys = xcalloc(2 * proxies->n, sizeof(*keys));
	_cleanup_(freep) struct nfbatch_element *at = xcalloc(proxies->n, sizeof(*at));

	for (size_t i = 0; i < proxies->n; i++) {
		struct proxy_key *low = &keys[2 * i], *high = low + 1;

		*low = (struct proxy_key){ NFPROTO_IPV4, {}, htonl(proxies->at[i].low) };
		*high = (struct proxy_key){ NFPROTO_IPV4, {}, htonl(proxies->at[i].high) };
		at[i] = (struct nfbatch_element){
			.key = low, .key_end = high, .size = sizeof(*low)
		};
	}
	nfbatch_elements(b, FWBASE_PROXIES, false, false, at, proxies->n);
}

void fwsets_build(struct nfbatch *b, const struct fwtable_conf *conf)
{
	add_sets(b);
	add_proxies(b, &conf->proxies);
}
