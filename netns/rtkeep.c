/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two sockets: `watch` hears what has changed (netns/rtheard), `ask` puts back what is missing. Of
 * what has changed only suspects are gathered: when their list is full, or the kernel has lost
 * notifications, everything is suspect.
 *
 * Mending compares nothing: what should be there is asked for exclusively, and EEXIST is the
 * answer that it was. Two things can be wrong though they are there, and are replaced: the
 * neighbour, always, and a route, when the kernel's own look-up shows that it leads elsewhere.
 * The kernel answers while it is asked, so no read waits. Nothing is ever removed, and of links
 * that aren't ours only forwarding is set, where routes lead through them. */
#include "netns/rtkeep.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "netns/ifsysctl.h"
#include "netns/rtguard.h"
#include "netns/rtheard.h"

#define RECEIVE_SIZE ((size_t)32 * 1024) /* as large as the kernel makes a part of a dump */
#define REQUEST_SIZE 512
#define QUEUE_MAX    (4 * 1024 * 1024)
#define READ_MAX     64 /* datagrams in one turn */
#define DUMPS_MAX    3
#define HANDED_OVER  (1 << 20) /* more than one process asks */
#define MAC_SIZE     6
#define PUT          (NLM_F_CREATE | NLM_F_EXCL)

struct rtkeep {
	struct mnl_socket *watch, *ask;
	int guards[2]; /* the programs of links without IPv6 and with it, loaded for the first one
			  that is looked at, or -1 */
	unsigned sequence;
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
};

static const char *const words[RTKEEP_WORDS] = { "link", "address", "route", "forwarding", "policy",
	"guard" };

const char *rtkeep_word(unsigned place)
{
	return words[place];
}

/* --- open, close --- */

static struct mnl_socket *open_socket(int flags)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);

	if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		(void)mnl_socket_close(s);
		s = NULL;
	}
	return s;
}

static int join_groups(struct mnl_socket *s)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV6_NETCONF };
	const int size = QUEUE_MAX;

	(void)setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (size_t i = 0; i < countof(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int rtkeep_open(struct rtkeep **ret)
{
	struct rtkeep *k = xcalloc(1, sizeof(*k));
	int r;

	k->guards[0] = k->guards[1] = -1;
	k->watch = open_socket(SOCK_NONBLOCK);
	k->ask = k->watch ? open_socket(0) : NULL;
	r = k->ask ? join_groups(k->watch) : -errno;
	if (r < 0) {
		(void)rtkeep_close(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct rtkeep *rtkeep_close(struct rtkeep *k)
{
	if (k) {
		if (k->watch)
			(void)mnl_socket_close(k->watch);
		if (k->ask)
			(void)mnl_socket_close(k->ask);
		closefd(k->guards[0]);
		closefd(k->guards[1]);
		free(k);
	}
	return NULL;
}

int rtkeep_fd(const struct rtkeep *k)
{
	return mnl_socket_get_fd(k->watch);
}

/* What is left of the answers to who was killed has other numbers. */
void rtkeep_hand_over(struct rtkeep *k)
{
	k->sequence += HANDED_OVER;
}

/* --- what has happened --- */

void rtkeep_read(struct rtkeep *k, struct rtkeep_seen *seen)
{
	for (int i = 0; i < READ_MAX; i++) {
		ssize_t n = recv(rtkeep_fd(k), k->buffer, sizeof(k->buffer), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS)
			seen->all = true;
		else if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			rtheard_read(k->buffer, (size_t)n, mnl_socket_get_portid(k->ask), seen);
	}
}

/* --- asking --- */

static_assert(RTGUARD_SIZE <= REQUEST_SIZE, "a request has room for a guard's");

struct request {
	uint8_t bytes[REQUEST_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *h;
};

/* The part that follows the header, of @size bytes. */
static void *begin(struct request *q, uint16_t type, uint16_t flags, size_t size)
{
	memset(q->bytes, 0, sizeof(q->bytes));
	q->h = mnl_nlmsg_put_header(q->bytes);
	q->h->nlmsg_type = type;
	q->h->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(q->h, size);
}

/* The next part of the answer to what was asked last. What is left of an earlier one, whose reading
 * ended early, is passed over. */
static ssize_t hear(struct rtkeep *k)
{
	const struct nlmsghdr *h = (const void *)k->buffer;
	ssize_t n;

	do
		n = recv(mnl_socket_get_fd(k->ask), k->buffer, sizeof(k->buffer), MSG_DONTWAIT);
	while (n > 0 && (!mnl_nlmsg_ok(h, (int)n) || h->nlmsg_seq != k->sequence));
	return n;
}

/* 0, or the kernel's refusal. Its answer is there when the request is sent. */
static int ask(struct rtkeep *k, struct request *q)
{
	ssize_t n;
	int left;

	q->h->nlmsg_seq = ++k->sequence;
	q->h->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(k->ask, q->h, q->h->nlmsg_len) < 0)
		return -errno;
	while ((n = hear(k)) > 0) {
		left = (int)n;
		for (const struct nlmsghdr *h = (const void *)k->buffer; mnl_nlmsg_ok(h, left);
			h = mnl_nlmsg_next(h, &left))
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
	}
	return n < 0 ? -errno : -EIO;
}

/* 1: it was missing. */
static int put(struct rtkeep *k, struct request *q)
{
	int r = ask(k, q);

	return r == -EEXIST ? 0 : r < 0 ? r : 1;
}

/* --- a container's link --- */

struct place {
	uint8_t family, bits;
	const void *gateway, *address;
	size_t size;
};

static int put_address(struct rtkeep *k, int ifindex, const struct place *p)
{
	struct request q;
	struct ifaddrmsg *m = begin(&q, RTM_NEWADDR, PUT, sizeof(*m));

	m->ifa_family = p->family;
	m->ifa_prefixlen = p->bits;
	m->ifa_scope = RT_SCOPE_LINK;
	m->ifa_flags = IFA_F_NODAD;
	m->ifa_index = (uint32_t)ifindex;
	mnl_attr_put(q.h, IFA_LOCAL, p->size, p->gateway);
	mnl_attr_put(q.h, IFA_ADDRESS, p->size, p->gateway);
	return put(k, &q);
}

static void fill_route(struct request *q, uint16_t flags, int ifindex, const struct place *p)
{
	struct rtmsg *m = begin(q, RTM_NEWROUTE, flags, sizeof(*m));

	m->rtm_family = p->family;
	m->rtm_dst_len = p->bits;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	mnl_attr_put(q->h, RTA_DST, p->size, p->address);
	mnl_attr_put_u32(q->h, RTA_OIF, (uint32_t)ifindex);
}

/* Does somebody's route lead elsewhere? The kernel's own look-up says it. */
static bool leads_elsewhere(struct rtkeep *k, int ifindex, const struct place *p)
{
	struct request q;
	struct rtmsg *m = begin(&q, RTM_GETROUTE, 0, sizeof(*m));
	const struct nlmsghdr *h = (const void *)k->buffer;
	ssize_t n;

	m->rtm_family = p->family;
	m->rtm_dst_len = p->bits;
	mnl_attr_put(q.h, RTA_DST, p->size, p->address);
	q.h->nlmsg_seq = ++k->sequence;
	if (mnl_socket_sendto(k->ask, q.h, q.h->nlmsg_len) < 0)
		return false;
	n = hear(k);
	return n > 0 && (h->nlmsg_type != RTM_NEWROUTE ||
				rtheard_u32(h, sizeof(*m), RTA_OIF) != (uint32_t)ifindex);
}

static int put_route(struct rtkeep *k, int ifindex, const struct place *p)
{
	struct request q;
	int r;

	fill_route(&q, PUT, ifindex, p);
	r = put(k, &q);
	if (r != 0 || !leads_elsewhere(k, ifindex, p))
		return r;
	fill_route(&q, NLM_F_CREATE | NLM_F_REPLACE, ifindex, p);
	r = ask(k, &q);
	if (r == 0 && leads_elsewhere(k, ifindex, p))
		r = -EEXIST; /* by a better metric, or a rule */
	return r < 0 ? r : 1;
}

static int put_neighbour(
	struct rtkeep *k, int ifindex, const struct place *p, const uint8_t mac[static MAC_SIZE])
{
	struct request q;
	struct ndmsg *m = begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m));

	m->ndm_family = p->family;
	m->ndm_ifindex = ifindex;
	m->ndm_state = NUD_PERMANENT;
	mnl_attr_put(q.h, NDA_DST, p->size, p->address);
	mnl_attr_put(q.h, NDA_LLADDR, MAC_SIZE, mac);
	return ask(k, &q);
}

static int keep_family(
	struct rtkeep *k, int ifindex, const struct place *p, const uint8_t mac[static MAC_SIZE])
{
	int address = put_address(k, ifindex, p), route, r;

	if (address < 0)
		return address;
	route = put_route(k, ifindex, p);
	if (route < 0)
		return route;
	r = put_neighbour(k, ifindex, p, mac);
	return r < 0 ? r : (address ? RTKEEP_ADDRESS : 0) | (route ? RTKEEP_ROUTE : 0);
}

/* netdevice(7) */
static int raise_link(const struct rtkeep *k, const char *name)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq q = {};

	strcpy(q.ifr_name, name);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &q) < 0)
		return -errno;
	if (q.ifr_flags & IFF_UP)
		return 0;
	q.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &q) < 0 ? -errno : RTKEEP_UP;
}

/* A kernel that can't have it never had: who made the link has said so. */
static int keep_guard(struct rtkeep *k, int ifindex, const struct rtlink *l)
{
	int *guard = &k->guards[l->has_address6], r;
	struct request q;

	if (l->unseen_mark && *guard < 0)
		*guard = rtguard_load(l->unseen_mark, l->has_address6);
	if (!l->unseen_mark || *guard < 0)
		return 0;
	q.h = rtguard_hook(q.bytes, ifindex);
	r = put(k, &q);
	if (r >= 0) {
		q.h = rtguard_program(q.bytes, ifindex, *guard);
		r = put(k, &q);
	}
	return r == -ENOENT ? 0 : r > 0 ? RTKEEP_GUARD : r;
}

static int keep_link(struct rtkeep *k, const struct rtlink *l, int ifindex)
{
	const uint32_t wire = htonl(l->address);
	uint32_t gateway;
	struct in6_addr gateway6;
	const struct place four = { AF_INET, 32, &gateway, &wire, sizeof(wire) },
			   six = { AF_INET6, 128, &gateway6, l->address6, sizeof(gateway6) };
	int guard = keep_guard(k, ifindex, l), missing, r = 0;

	(void)inet_pton(AF_INET, RTLINK_GATEWAY, &gateway);
	(void)inet_pton(AF_INET6, RTLINK_GATEWAY6, &gateway6);
	if (guard < 0)
		return guard;
	missing = raise_link(k, l->name);
	if (missing < 0)
		return missing;
	missing |= guard;
	if (rtkeep_uplink(l->name))
		missing |= RTKEEP_FORWARDING;
	r = keep_family(k, ifindex, &four, l->mac);
	if (r >= 0 && l->has_address6) {
		missing |= r;
		r = keep_family(k, ifindex, &six, l->mac);
	}
	return r < 0 ? r : missing | r;
}

int rtkeep_link(struct rtkeep *k, const struct rtlink *l)
{
	int ifindex = (int)ifsysctl_index(l->name), r = ifindex ? keep_link(k, l, ifindex) : 0;

	return r < 0 && ifsysctl_index(l->name) == 0 ? 0 : r;
}

/* --- the way to the forwarders --- */

static int put_policy_route(struct rtkeep *k)
{
	struct request q;
	struct rtmsg *m = begin(&q, RTM_NEWROUTE, PUT, sizeof(*m));

	m->rtm_family = AF_INET;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_HOST;
	m->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(q.h, RTA_TABLE, RTKEEP_POLICY_TABLE);
	mnl_attr_put_u32(q.h, RTA_OIF, if_nametoindex("lo"));
	return put(k, &q);
}

struct policy_rule {
	uint8_t family;
	uint32_t priority, mark; /* 0: whatever it is */
	uint8_t action;
	uint32_t table;
	const char *from; /* NULL: wherever it comes from */
	const char *to;   /* a network; NULL: wherever it goes to */
};

/* By no default route: an address that nobody has goes on to the rules that follow. */
static void to_network(struct request *q, struct fib_rule_hdr *m, const char *network)
{
	_cleanup_(freep) char *text = xstrdup(network);
	char *slash = strchr(text, '/');
	uint8_t address[sizeof(struct in6_addr)] = {};

	assert(slash); /* the configuration has been judged */
	*slash = '\0';
	(void)inet_pton(m->family, text, address);
	m->dst_len = (uint8_t)strtoul(slash + 1, NULL, 10);
	mnl_attr_put(q->h, FRA_DST, m->family == AF_INET ? sizeof(struct in_addr) : sizeof(address),
		address);
	mnl_attr_put_u32(q->h, FRA_SUPPRESS_PREFIXLEN, 0);
}

static int put_policy_rule(struct rtkeep *k, const struct policy_rule *p)
{
	struct request q;
	struct fib_rule_hdr *m = begin(&q, RTM_NEWRULE, PUT, sizeof(*m));

	m->family = p->family;
	m->action = p->action;
	mnl_attr_put_u32(q.h, FRA_PRIORITY, p->priority);
	if (p->mark) {
		mnl_attr_put_u32(q.h, FRA_FWMARK, p->mark);
		mnl_attr_put_u32(q.h, FRA_FWMASK, UINT32_MAX);
	}
	if (p->action == FR_ACT_TO_TBL)
		mnl_attr_put_u32(q.h, FRA_TABLE, p->table);
	if (p->from)
		mnl_attr_put_strz(q.h, FRA_IIFNAME, p->from);
	if (p->to)
		to_network(&q, m, p->to);
	return put(k, &q);
}

/* Where net.ipv4.conf.all.src_valid_mark is set (wg-quick(8) does it) the kernel asks whence a
 * packet may come with its mark, too, and as if it asked for lo (__fib_validate_source,
 * net/ipv4/fib_frontend.c). By the other rules nobody came from anywhere, not even ARP: that goes
 * by the main table, as without a mark.
 *
 * Containers' own routes are of the main table, and a rule of others before it, with a table whose
 * default route leads to a VPN or a second uplink, would send there what is for containers. */
int rtkeep_policy(struct rtkeep *k, const struct rtkeep_policy *p)
{
	const uint32_t last = RTKEEP_POLICY_PRIORITY, first = RTKEEP_SOURCE_PRIORITY,
		       subnet = RTKEEP_SUBNET_PRIORITY;
	const struct policy_rule rules[] = {
		{ AF_INET, first, p->local_mark, FR_ACT_TO_TBL, RT_TABLE_MAIN, "lo", NULL },
		{ AF_INET, first, p->no_mark, FR_ACT_TO_TBL, RT_TABLE_MAIN, "lo", NULL },
		{ AF_INET, last, p->local_mark, FR_ACT_TO_TBL, RTKEEP_POLICY_TABLE, NULL, NULL },
		{ AF_INET, last, p->no_mark, FR_ACT_BLACKHOLE, 0, NULL, NULL },
		{ AF_INET6, last, p->no_mark, FR_ACT_BLACKHOLE, 0, NULL, NULL },
		{ AF_INET, subnet, 0, FR_ACT_TO_TBL, RT_TABLE_MAIN, NULL, p->subnet4 },
		{ AF_INET6, subnet, 0, FR_ACT_TO_TBL, RT_TABLE_MAIN, NULL, p->subnet6 },
	};
	int r = put_policy_route(k);
	bool missing = r > 0;

	for (size_t i = 0; i < countof(rules) && r >= 0; i++) {
		if (rules[i].priority == subnet && !*rules[i].to)
			continue; /* containers have none of that family */
		r = put_policy_rule(k, &rules[i]);
		missing = missing || r > 0;
		if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
			r = 0; /* a kernel without IPv6 */
	}
	return r < 0 ? r : missing ? RTKEEP_POLICY : 0;
}

/* --- the ways out --- */

bool rtkeep_forwards(const char *name)
{
	_cleanup_(freep) char *path = xasprintf("/proc/sys/net/ipv4/conf/%s/forwarding", name);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char now = '1';

	return fd < 0 || read(fd, &now, 1) != 1 || now != '0';
}

bool rtkeep_uplink(const char *name)
{
	if (rtkeep_forwards(name))
		return false;
	ifsysctl_write("ipv4", name, "forwarding", "1");
	return true;
}

struct walk {
	struct rtkeep_seen seen;
	const char *prefix;
	int raised;
};

static void raise_seen(struct walk *w)
{
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < w->seen.n; i++)
		if (if_indextoname((unsigned)w->seen.at[i].ifindex, name) &&
			strcmp(name, "lo") != 0 && strncmp(name, w->prefix, strlen(w->prefix)) != 0)
			w->raised += rtkeep_uplink(name);
	w->seen.n = 0;
}

static int on_dumped(const struct nlmsghdr *h, void *userdata)
{
	struct walk *w = userdata;

	rtheard_look(h, &w->seen);
	if (w->seen.n == countof(w->seen.at))
		raise_seen(w);
	return MNL_CB_OK;
}

/* A dump that was left half-way goes on until it is read, and the kernel begins no other
 * (EBUSY). */
static void drain(struct rtkeep *k)
{
	while (recv(mnl_socket_get_fd(k->ask), k->buffer, sizeof(k->buffer), MSG_DONTWAIT) >= 0)
		;
}

static int dump_routes(struct rtkeep *k, struct walk *w)
{
	struct request q;
	struct rtmsg *m = begin(&q, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));
	int r = MNL_CB_OK;

	m->rtm_family = AF_INET;
	q.h->nlmsg_seq = ++k->sequence;
	drain(k);
	if (mnl_socket_sendto(k->ask, q.h, q.h->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		ssize_t n = hear(k);

		if (n < 0)
			return -errno;
		r = mnl_cb_run(k->buffer, (size_t)n, k->sequence, mnl_socket_get_portid(k->ask),
			on_dumped, w);
	}
	return r < 0 ? -errno : 0;
}

int rtkeep_uplinks(struct rtkeep *k, const char *prefix)
{
	struct walk w = { .prefix = prefix };
	int r = -EINTR;

	/* Routes that change meanwhile make a dump of them void. */
	for (int i = 0; i < DUMPS_MAX && r == -EINTR; i++) {
		r = dump_routes(k, &w);
		raise_seen(&w);
	}
	return r < 0 ? r : w.raised;
}
