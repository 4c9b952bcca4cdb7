/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtheard.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

static void suspect(struct rtkeep_seen *seen, struct rtkeep_suspect s)
{
	for (size_t i = 0; i < seen->n; i++)
		if (seen->at[i].ifindex == s.ifindex && seen->at[i].address == s.address &&
			memcmp(seen->at[i].address6, s.address6, sizeof(s.address6)) == 0 &&
			seen->at[i].kind == s.kind)
			return;
	if (seen->n < countof(seen->at))
		seen->at[seen->n++] = s;
	else
		seen->all = true;
}

/* Whole with its padding, which attributes go on to. libmnl takes a length of 2 GiB and more for a
 * negative one. */
static bool is_whole(const struct nlmsghdr *h, int left)
{
	return mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left &&
	       MNL_ALIGN(h->nlmsg_len) <= (uint32_t)left;
}

static uint32_t u32_of(const struct nlattr *a)
{
	return a && mnl_attr_validate(a, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(a) : 0;
}

static const struct nlattr *find(const struct nlmsghdr *h, size_t offset, int type)
{
	const char *tail = mnl_nlmsg_get_payload_tail(h);
	const struct nlattr *a;

	for (a = mnl_nlmsg_get_payload_offset(h, offset);
		mnl_attr_ok(a, (int)(tail - (const char *)a)); a = mnl_attr_next(a))
		if (mnl_attr_get_type(a) == type)
			return a;
	return NULL;
}

static void on_link(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

	if (m->ifi_flags & IFF_LOOPBACK)
		seen->policy = true; /* its routes go when it is down */
	else if (h->nlmsg_type == RTM_NEWLINK && m->ifi_family == AF_UNSPEC &&
		 !(m->ifi_flags & IFF_UP))
		suspect(seen, (struct rtkeep_suspect){ RTKEEP_LOST, m->ifi_index, 0, {} });
}

static void on_address(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type == RTM_DELADDR)
		suspect(seen, (struct rtkeep_suspect){ RTKEEP_LOST, (int)m->ifa_index, 0, {} });
}

/* Of several next hops, which are told as an array of struct rtnexthop. RTNH_OK looks at one that
 * isn't there. */
static void on_nexthops(const struct nlattr *a, struct rtkeep_suspect s, struct rtkeep_seen *seen)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(a);
	int left = mnl_attr_get_payload_len(a);

	for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left);
		left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		s.ifindex = hop->rtnh_ifindex;
		suspect(seen, s);
	}
}

static void on_route(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *oif = find(h, sizeof(*m), RTA_OIF),
			    *hops = find(h, sizeof(*m), RTA_MULTIPATH),
			    *to = find(h, sizeof(*m), RTA_DST);
	const bool is_new = h->nlmsg_type == RTM_NEWROUTE;
	struct rtkeep_suspect s = { is_new ? RTKEEP_ROUTED : RTKEEP_LOST, (int)u32_of(oif), 0, {} };

	if (u32_of(find(h, sizeof(*m), RTA_TABLE)) == RTKEEP_POLICY_TABLE) {
		seen->policy = seen->policy || !is_new;
		return;
	}
	if (m->rtm_table == RT_TABLE_LOCAL || m->rtm_flags & RTM_F_CLONED)
		return;
	if (m->rtm_family == AF_INET && m->rtm_dst_len == 32)
		s.address = ntohl(u32_of(to));
	else if (m->rtm_family == AF_INET6 && m->rtm_dst_len == 128 && to &&
		 mnl_attr_get_payload_len(to) == sizeof(s.address6))
		memcpy(s.address6, mnl_attr_get_payload(to), sizeof(s.address6));
	else if (is_new && (m->rtm_family != AF_INET || m->rtm_type != RTN_UNICAST))
		return;
	if (hops)
		on_nexthops(hops, s, seen);
	else if (s.ifindex || s.address)
		suspect(seen, s);
}

static void on_rule(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	uint32_t priority = u32_of(find(h, sizeof(struct fib_rule_hdr), FRA_PRIORITY));

	if (h->nlmsg_type == RTM_DELRULE &&
		(priority == RTKEEP_POLICY_PRIORITY || priority == RTKEEP_SOURCE_PRIORITY ||
			priority == RTKEEP_SUBNET_PRIORITY))
		seen->policy = true;
}

static void on_netconf(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	const struct netconfmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *on = find(h, sizeof(*m), NETCONFA_FORWARDING);
	int32_t ifindex = (int32_t)u32_of(find(h, sizeof(*m), NETCONFA_IFINDEX));

	if (h->nlmsg_type != RTM_NEWNETCONF || !on || u32_of(on) != 0)
		return;
	if (ifindex > 0)
		suspect(seen, (struct rtkeep_suspect){ RTKEEP_MUTED, ifindex, 0, {} });
	else if (m->ncm_family == AF_INET6 && ifindex == NETCONFA_IFINDEX_ALL)
		seen->six_off = true;
}

static void on_tc(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	const struct tcmsg *m = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type == RTM_DELQDISC || h->nlmsg_type == RTM_DELTFILTER)
		suspect(seen, (struct rtkeep_suspect){ RTKEEP_LOST, m->tcm_ifindex, 0, {} });
}

static const struct {
	uint16_t of, to;
	size_t size;
	void (*look)(const struct nlmsghdr *h, struct rtkeep_seen *seen);
} kinds[] = {
	{ RTM_NEWLINK, RTM_DELLINK, sizeof(struct ifinfomsg), on_link },
	{ RTM_NEWADDR, RTM_DELADDR, sizeof(struct ifaddrmsg), on_address },
	{ RTM_NEWROUTE, RTM_DELROUTE, sizeof(struct rtmsg), on_route },
	{ RTM_NEWRULE, RTM_DELRULE, sizeof(struct fib_rule_hdr), on_rule },
	{ RTM_NEWQDISC, RTM_DELQDISC, sizeof(struct tcmsg), on_tc },
	{ RTM_NEWTFILTER, RTM_DELTFILTER, sizeof(struct tcmsg), on_tc },
	{ RTM_NEWNETCONF, RTM_DELNETCONF, sizeof(struct netconfmsg), on_netconf },
};

void rtheard_look(const struct nlmsghdr *h, struct rtkeep_seen *seen)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (h->nlmsg_type >= kinds[i].of && h->nlmsg_type <= kinds[i].to &&
			mnl_nlmsg_get_payload_len(h) >= kinds[i].size)
			kinds[i].look(h, seen);
}

void rtheard_read(const void *data, size_t size, uint32_t port, struct rtkeep_seen *seen)
{
	int left = (int)size;

	for (const struct nlmsghdr *h = data; is_whole(h, left); h = mnl_nlmsg_next(h, &left))
		if (port == 0 || h->nlmsg_pid != port)
			rtheard_look(h, seen);
}

uint32_t rtheard_u32(const struct nlmsghdr *h, size_t offset, int type)
{
	return u32_of(find(h, offset, type));
}
