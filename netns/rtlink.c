/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's link is a veth pair whose inner end is born in its namespace. Order: make the
 * pair (a predecessor's of that name, which the kernel still clears away, gives way); the host's
 * end: settings, then the guard, so that it is closed before it is up, then up, with the
 * gateway's address, a route and a neighbour for the container's. Meanwhile a thread enters the
 * container's network namespace, for good (setns(2) is of a thread), and sets up the end inside:
 * nobody is in the container yet. A host's end that can't be set up, or whose other end can't, is
 * removed again.
 *
 * Each change waits in turn for the kernel's lock of all links (rtnl), which a container that
 * makes and unmakes links has a third of the time: what one message can say is one message, what
 * one call can say is one call (netns/rtbatch.h), and two who wait wait once. What no message can
 * say (disable_ipv6) is left to the guard: who writes a sysctl that wants the lock doesn't sleep
 * until it is free, but runs in a circle (restart_syscall), and may be passed over for long.
 *
 * Every host's end has the same MAC and the same gateway address. There is no subnet and no
 * bridge, and the host never asks who is where: its neighbours are fixed entries. */
#include "netns/rtlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/route.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "netns/ifsysctl.h"
#include "netns/rtbatch.h"
#include "netns/rtguard.h"
#include "netns/rtsock.h"

#define BURST_MS   5
#define BURST_MIN  (64 * 1024) /* a GSO packet must fit */
#define LATENCY_US 50000

/* The host's ends need no identity: every container sees the same gateway. */
static const uint8_t gateway_mac[6] = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee };

/* --- making one --- */

/* Nobody asks for more, and a veth that is made with one of each processor's lets go of the others
 * at once, which waits for all processors (veth_init_queues of Linux, and synchronize_net in its
 * netif_set_real_num_tx_queues). */
static void want_one_queue(struct rtnl_link *link)
{
	rtnl_link_set_num_tx_queues(link, 1);
	rtnl_link_set_num_rx_queues(link, 1);
}

static int add_pair(struct nl_sock *s, const struct rtlink *l, pid_t pid)
{
	struct rtnl_link *link = rtsock_must(rtnl_link_veth_alloc()),
			 *peer = rtnl_link_veth_get_peer(link);
	_cleanup_addr_ struct nl_addr *ours =
		rtsock_must(nl_addr_build(AF_LLC, gateway_mac, ETH_ALEN));
	_cleanup_addr_ struct nl_addr *theirs =
		rtsock_must(nl_addr_build(AF_LLC, l->mac, ETH_ALEN));
	int r;

	rtnl_link_set_name(link, l->name);
	rtnl_link_set_addr(link, ours);
	rtnl_link_set_name(peer, RTLINK_INSIDE);
	rtnl_link_set_addr(peer, theirs);
	rtnl_link_set_ns_pid(peer, pid);
	want_one_queue(link);
	want_one_queue(peer);
	r = rtnl_link_add(s, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(peer);
	rtnl_link_put(link);
	return r;
}

/* Before there is an address of it. */
static void begin_six(const char *name)
{
	static const struct {
		const char *key, *value;
	} v6[] = {
		{ "forwarding", "1" },
		{ "accept_ra", "0" },
		{ "accept_redirects", "0" },
		{ "accept_source_route", "-1" },
		{ "proxy_ndp", "0" },
		{ "disable_ipv6", "0" },
	};

	for (size_t i = 0; i < countof(v6); i++)
		ifsysctl_write("ipv6", name, v6[i].key, v6[i].value);
}

static void add_address(struct rtbatch *b, int ifindex, const char *of, int scope)
{
	_cleanup_addr_ struct nl_addr *a = rtsock_address(of);
	struct rtnl_addr *address = rtsock_must(rtnl_addr_alloc());
	struct nl_msg *m = NULL;

	rtnl_addr_set_ifindex(address, ifindex);
	rtnl_addr_set_scope(address, scope);
	rtnl_addr_set_flags(address, IFA_F_NODAD); /* nobody else is on the link */
	(void)rtnl_addr_set_local(address, a);
	(void)rtnl_addr_build_add_request(address, NLM_F_REPLACE, &m);
	rtbatch_add(b, m);
	rtnl_addr_put(address);
}

/* @by NULL: it is on the link. */
static void add_route(struct rtbatch *b, int ifindex, const char *to, const char *by)
{
	_cleanup_addr_ struct nl_addr *a = rtsock_address(to), *gateway = rtsock_address(by);
	struct rtnl_route *route = rtsock_must(rtnl_route_alloc());
	struct rtnl_nexthop *hop = rtsock_must(rtnl_route_nh_alloc());
	struct nl_msg *m = NULL;

	rtnl_route_nh_set_ifindex(hop, ifindex);
	if (gateway) {
		rtnl_route_nh_set_gateway(hop, gateway);
		rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK); /* no route leads to it */
	}
	rtnl_route_add_nexthop(route, hop);
	(void)rtnl_route_set_dst(route, a);
	rtnl_route_set_scope(route, gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	(void)rtnl_route_build_add_request(route, NLM_F_REPLACE, &m);
	rtbatch_add(b, m);
	rtnl_route_put(route);
}

static void add_neighbour(
	struct rtbatch *b, int ifindex, const char *of, const uint8_t is_at[static ETH_ALEN])
{
	_cleanup_addr_ struct nl_addr *a = rtsock_address(of);
	_cleanup_addr_ struct nl_addr *mac = rtsock_must(nl_addr_build(AF_LLC, is_at, ETH_ALEN));
	struct rtnl_neigh *neighbour = rtsock_must(rtnl_neigh_alloc());
	struct nl_msg *m = NULL;

	rtnl_neigh_set_ifindex(neighbour, ifindex);
	rtnl_neigh_set_state(neighbour, NUD_PERMANENT);
	(void)rtnl_neigh_set_dst(neighbour, a);
	rtnl_neigh_set_lladdr(neighbour, mac);
	(void)rtnl_neigh_build_add_request(neighbour, NLM_F_CREATE | NLM_F_REPLACE, &m);
	rtbatch_add(b, m);
	rtnl_neigh_put(neighbour);
}

/* A token bucket: what it lets through at once must not be less than one packet, nor its rate than
 * a byte. */
static void add_limit(struct rtbatch *b, int ifindex, uint64_t bps)
{
	struct rtnl_qdisc *q = rtsock_must(rtnl_qdisc_alloc());
	uint64_t bytes = MAX_OF(MIN_OF(bps / 8, (uint64_t)INT32_MAX), (uint64_t)1);
	struct nl_msg *m = NULL;

	rtnl_tc_set_ifindex(TC_CAST(q), ifindex);
	rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
	if (rtnl_tc_set_kind(TC_CAST(q), "tbf") == 0) {
		rtnl_qdisc_tbf_set_rate(q, (int)bytes,
			(int)MAX_OF(bytes * BURST_MS / 1000, (uint64_t)BURST_MIN), 0);
		(void)rtnl_qdisc_tbf_set_limit_by_latency(q, LATENCY_US);
		(void)rtnl_qdisc_build_add_request(q, NLM_F_CREATE | NLM_F_REPLACE, &m);
	}
	rtbatch_add(b, m);
	rtnl_qdisc_put(q);
}

static void change_link(struct rtbatch *b, int ifindex, struct rtnl_link *change)
{
	struct rtnl_link *link = rtsock_must(rtnl_link_alloc());
	struct nl_msg *m = NULL;

	rtnl_link_set_ifindex(link, ifindex);
	(void)rtnl_link_build_change_request(link, change, 0, &m);
	rtbatch_add(b, m);
	rtnl_link_put(link);
	rtnl_link_put(change);
}

static void raise_link(struct rtbatch *b, int ifindex)
{
	struct rtnl_link *change = rtsock_must(rtnl_link_alloc());

	rtnl_link_set_flags(change, IFF_UP);
	change_link(b, ifindex, change);
}

/* Before it is up: no address of IPv6 but the gateway's. */
static void want_no_address6(struct rtbatch *b, int ifindex)
{
	struct rtnl_link *change = rtsock_must(rtnl_link_alloc());

	(void)rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE);
	change_link(b, ifindex, change);
}

/* Its sysctls of IPv4 go with it, in the one message. */
static void raise_host_end(struct rtbatch *b, int ifindex)
{
	static const struct {
		unsigned key;
		uint32_t value;
	} v4[] = {
		{ IPV4_DEVCONF_FORWARDING, 1 },
		{ IPV4_DEVCONF_RP_FILTER, 1 }, /* RFC 3704, strict */
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0 },
		{ IPV4_DEVCONF_SECURE_REDIRECTS, 0 },
		{ IPV4_DEVCONF_SEND_REDIRECTS, 0 },
		{ IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0 },
		{ IPV4_DEVCONF_PROXY_ARP, 0 },
		{ IPV4_DEVCONF_ARP_IGNORE, 1 }, /* answer for the gateway's address alone */
		{ IPV4_DEVCONF_ARP_ANNOUNCE, 2 },
		{ IPV4_DEVCONF_ARP_ACCEPT, 0 },
	};
	struct rtnl_link *change = rtsock_must(rtnl_link_alloc());

	for (size_t i = 0; i < countof(v4); i++)
		(void)rtnl_link_inet_set_conf(change, v4[i].key, v4[i].value);
	rtnl_link_set_flags(change, IFF_UP);
	change_link(b, ifindex, change);
}

struct words {
	char v4[INET_ADDRSTRLEN], v6[INET6_ADDRSTRLEN];
};

static struct words words_of(const struct rtlink *l)
{
	const uint32_t wire = htonl(l->address);
	struct words w = {};

	(void)inet_ntop(AF_INET, &wire, w.v4, sizeof(w.v4));
	(void)inet_ntop(AF_INET6, l->address6, w.v6, sizeof(w.v6));
	return w;
}

/* The gateway, and where the container is. */
static void dress_family(struct rtbatch *b, int ifindex, const struct rtlink *l,
	const char *gateway, const char *address)
{
	add_address(b, ifindex, gateway, RT_SCOPE_LINK);
	add_route(b, ifindex, address, NULL);
	add_neighbour(b, ifindex, address, l->mac);
}

static void add_guard(struct rtbatch *b, int ifindex, int fd)
{
	uint8_t bytes[RTGUARD_SIZE] __attribute__((aligned(8)));

	rtbatch_add(b, nlmsg_convert(rtguard_hook(bytes, ifindex)));
	rtbatch_add(b, nlmsg_convert(rtguard_program(bytes, ifindex, fd)));
}

static int dress(struct nl_sock *s, const struct rtlink *l, struct err *err)
{
	_cleanup_rtbatch_ struct rtbatch b = {};
	_cleanup_(closep) int guard =
		l->unseen_mark ? rtguard_load(l->unseen_mark, l->has_address6) : -1;
	const struct words w = words_of(l);
	int ifindex = (int)if_nametoindex(l->name), r, unguarded;
	size_t guarded;

	if (l->has_address6)
		begin_six(l->name);
	want_no_address6(&b, ifindex);
	if (guard >= 0)
		add_guard(&b, ifindex, guard);
	guarded = b.n;
	raise_host_end(&b, ifindex);
	dress_family(&b, ifindex, l, RTLINK_GATEWAY, w.v4);
	if (l->has_address6)
		dress_family(&b, ifindex, l, RTLINK_GATEWAY6, w.v6);
	if (l->limit_bps > 0)
		add_limit(&b, ifindex, l->limit_bps);
	r = rtbatch_send(&b, s);
	unguarded = rtbatch_failure(&b, 1, guarded);
	if (l->unseen_mark && (guard < 0 || unguarded < 0))
		(void)fprintf(stderr, /* the firewall itself holds without it */
			"%s: a flush of nftables would open it, it has no tc-bpf: %s\n", l->name,
			guard < 0 ? strerror(-guard) : nl_geterror(unguarded));
	if (!l->has_address6 && (guard < 0 || unguarded < 0))
		ifsysctl_write("ipv6", l->name, "disable_ipv6", "1");
	if (r == 0 && l->has_address6) /* else this kernel may have no IPv6 */
		r = rtbatch_failure(&b, 0, 1);
	if (r == 0)
		r = rtbatch_failure(&b, guarded, b.n);
	return r < 0 ? rtsock_fail(err, r, "set up", l->name) : 0;
}

static int remove_one(struct nl_sock *s, const char *name)
{
	struct rtnl_link *link = rtsock_must(rtnl_link_alloc());
	int r;

	rtnl_link_set_name(link, name);
	r = rtnl_link_delete(s, link);
	rtnl_link_put(link);
	return r == -NLE_NODEV || r == -NLE_OBJ_NOTFOUND ? 0 : r;
}

/* Who deletes a link waits for the readers of all processors, twice (rcu_barrier in Linux's
 * netdev_run_todo); the kernel, which has begun to, does so by itself. A link that is up can be
 * renamed since Linux 6.2. */
static int give_way(struct nl_sock *s, const char *name)
{
	struct rtnl_link *link = rtsock_must(rtnl_link_alloc()),
			 *change = rtsock_must(rtnl_link_alloc());
	char aside[IF_NAMESIZE];
	int r;

	rtname_aside(name, aside);
	rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
	rtnl_link_set_name(change, aside);
	r = rtnl_link_change(s, link, change, 0);
	rtnl_link_put(change);
	rtnl_link_put(link);
	return r < 0 ? remove_one(s, name) : 0;
}

/* --- the other end --- */

static int enter(pid_t pid, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/net", (int)pid);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return err_set(err, -errno, ERR_INTERNAL, NULL,
			"can't enter the container's network: %s", strerror(errno));
	return 0;
}

/* The one address has no subnet: the gateway is on the link all the same. */
static int dress_inside(const struct rtlink *l, struct err *err)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	_cleanup_rtbatch_ struct rtbatch b = {};
	const struct words w = words_of(l);
	int r = rtsock_open(&s, err), ifindex = (int)if_nametoindex(RTLINK_INSIDE);

	if (r < 0)
		return r;
	raise_link(&b, (int)if_nametoindex("lo")); /* not every init does it */
	raise_link(&b, ifindex);
	add_address(&b, ifindex, w.v4, RT_SCOPE_UNIVERSE);
	/* the host may answer nobody's ARP (net.ipv4.conf.all.arp_ignore) */
	add_neighbour(&b, ifindex, RTLINK_GATEWAY, gateway_mac);
	add_route(&b, ifindex, "0.0.0.0/0", RTLINK_GATEWAY);
	if (l->has_address6) {
		add_address(&b, ifindex, w.v6, RT_SCOPE_UNIVERSE);
		/* neighbour discovery doesn't leave a container */
		add_neighbour(&b, ifindex, RTLINK_GATEWAY6, gateway_mac);
		add_route(&b, ifindex, "::/0", RTLINK_GATEWAY6);
	}
	r = rtbatch_send(&b, s);
	if (r == 0)
		r = rtbatch_failure(&b, 0, b.n);
	return r < 0 ? rtsock_fail(err, r, "set up", RTLINK_INSIDE) : 0;
}

/* --- both at once --- */

struct part {
	const struct rtlink *link;
	pid_t pid;
	int r;
	struct err err;
};

static void *be_inside(void *userdata)
{
	struct part *p = userdata;

	p->r = enter(p->pid, &p->err);
	if (p->r == 0)
		p->r = dress_inside(p->link, &p->err);
	return NULL;
}

static int dress_both(struct nl_sock *s, const struct rtlink *l, pid_t pid,
	int (*before_up)(const void *userdata, struct err *err), const void *userdata,
	struct err *err)
{
	struct part part = { .link = l, .pid = pid };
	pthread_t inside;
	int r = -pthread_create(&inside, NULL, be_inside, &part);

	if (r < 0)
		return rtsock_fail(err, -NLE_NOMEM, "set up", RTLINK_INSIDE);
	r = before_up ? before_up(userdata, err) : 0;
	if (r >= 0)
		r = dress(s, l, err);
	(void)pthread_join(inside, NULL);
	if (r >= 0 && part.r < 0) {
		r = part.r;
		*err = part.err;
	}
	return r;
}

int rtlink_make(const struct rtlink *l, pid_t pid,
	int (*before_up)(const void *userdata, struct err *err), const void *userdata,
	struct err *err)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	int r = rtsock_open(&s, err);

	if (r < 0)
		return r;
	r = add_pair(s, l, pid);
	if (r == -NLE_EXIST) { /* a predecessor's, whose namespace the kernel still clears away */
		r = give_way(s, l->name);
		if (r == 0)
			r = add_pair(s, l, pid);
	}
	if (r < 0)
		return rtsock_fail(err, r, "make", l->name);
	r = dress_both(s, l, pid, before_up, userdata, err);
	if (r < 0)
		(void)remove_one(s, l->name);
	return r;
}

static int remove_limit(struct nl_sock *s, int ifindex)
{
	struct rtnl_qdisc *q = rtsock_must(rtnl_qdisc_alloc());
	int r;

	rtnl_tc_set_ifindex(TC_CAST(q), ifindex);
	rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
	r = rtnl_qdisc_delete(s, q);
	rtnl_qdisc_put(q);
	return r == -NLE_OBJ_NOTFOUND || r == -NLE_INVAL ? 0 : r; /* the kernel's own stays */
}

static int put_limit(struct nl_sock *s, int ifindex, uint64_t bps)
{
	_cleanup_rtbatch_ struct rtbatch b = {};
	int r;

	add_limit(&b, ifindex, bps);
	r = rtbatch_send(&b, s);
	return r < 0 ? r : rtbatch_failure(&b, 0, b.n);
}

int rtlink_set_limit(const char *name, uint64_t bps, struct err *err)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	int ifindex = (int)ifsysctl_index(name), r;

	if (ifindex == 0 && errno == ENODEV)
		return 0;
	r = rtsock_open(&s, err);
	if (r < 0)
		return r;
	r = bps > 0 ? put_limit(s, ifindex, bps) : remove_limit(s, ifindex);
	return r < 0 ? rtsock_fail(err, r, "limit", name) : 0;
}

int rtlink_remove_index(int ifindex, struct err *err)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	struct rtnl_link *link = rtsock_must(rtnl_link_alloc());
	int r = rtsock_open(&s, err);

	rtnl_link_set_ifindex(link, ifindex);
	if (r == 0)
		r = rtnl_link_delete(s, link);
	rtnl_link_put(link);
	if (r == -NLE_NODEV || r == -NLE_OBJ_NOTFOUND)
		return 0;
	return s && r < 0 ? rtsock_fail(err, r, "remove", "a link that nobody needs") : r;
}
