/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtpolicy.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

#include "netns/rtsock.h"

static int add_rule(struct nl_sock *s, int family, uint32_t mark, uint8_t action)
{
	struct rtnl_rule *rule = rtsock_must(rtnl_rule_alloc());
	int r;

	rtnl_rule_set_family(rule, family);
	rtnl_rule_set_prio(rule, RTPOLICY_PRIORITY);
	rtnl_rule_set_mark(rule, mark);
	rtnl_rule_set_mask(rule, UINT32_MAX);
	if (action == FR_ACT_TO_TBL)
		rtnl_rule_set_table(rule, RTPOLICY_TABLE);
	rtnl_rule_set_action(rule, action);
	r = rtnl_rule_add(s, rule, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_rule_put(rule);
	return r == -NLE_EXIST ? 0 : r;
}

static int add_route(struct nl_sock *s)
{
	struct rtnl_route *route = rtsock_must(rtnl_route_alloc());
	struct rtnl_nexthop *hop = rtsock_must(rtnl_route_nh_alloc());
	const uint32_t any = 0;
	_cleanup_addr_ struct nl_addr *all = rtsock_must(nl_addr_build(AF_INET, &any, sizeof(any)));
	int r;

	nl_addr_set_prefixlen(all, 0);
	rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex("lo"));
	rtnl_route_add_nexthop(route, hop);
	(void)rtnl_route_set_dst(route, all);
	(void)rtnl_route_set_type(route, RTN_LOCAL);
	rtnl_route_set_scope(route, RT_SCOPE_HOST);
	rtnl_route_set_table(route, RTPOLICY_TABLE);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	r = rtnl_route_add(s, route, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_route_put(route);
	return r;
}

int rtpolicy_make(uint32_t local_mark, uint32_t no_mark, struct err *err)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	int r = rtsock_open(&s, err);

	if (r < 0)
		return r;
	r = add_route(s);
	if (r == 0)
		r = add_rule(s, AF_INET, local_mark, FR_ACT_TO_TBL);
	if (r < 0)
		return rtsock_fail(err, r, "route packets to", "the forwarders");
	r = add_rule(s, AF_INET, no_mark, FR_ACT_BLACKHOLE);
	if (r == 0)
		r = add_rule(s, AF_INET6, no_mark, FR_ACT_BLACKHOLE);
	if (r == -NLE_AF_NOSUPPORT) /* a kernel without IPv6 */
		r = 0;
	return r < 0 ? rtsock_fail(err, r, "stop packets without", "a firewall") : 0;
}
