/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/ifstats.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#define DUMP_SIZE 32768 /* as large as the kernel makes a part of a dump */

struct dump {
	void (*each)(const char *name, bool up, const struct rtnl_link_stats64 *s, void *userdata);
	void *userdata;
	bool interrupted;
};

bool ifstats_read_link(const struct nlmsghdr *h, const char **ret_name, bool *ret_up,
	struct rtnl_link_stats64 *ret)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	*ret_name = NULL;
	*ret = (struct rtnl_link_stats64){};
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return false;
	*ret_up = info->ifi_flags & IFF_UP;
	for (a = mnl_nlmsg_get_payload_offset(h, sizeof(*info)); mnl_attr_ok(
		     a, (int)((const char *)mnl_nlmsg_get_payload_tail(h) - (const char *)a));
		a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) == IFLA_IFNAME &&
			mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
			mnl_attr_get_payload_len(a) <= IFNAMSIZ)
			*ret_name = mnl_attr_get_str(a);
		else if (mnl_attr_get_type(a) == IFLA_STATS64) /* may lie unaligned */
			memcpy(ret, mnl_attr_get_payload(a),
				MIN_OF(sizeof(*ret), (size_t)mnl_attr_get_payload_len(a)));
	}
	return *ret_name != NULL;
}

static int on_link(const struct nlmsghdr *h, void *userdata)
{
	const struct dump *d = userdata;
	struct rtnl_link_stats64 s;
	const char *name;
	bool up;

	if (ifstats_read_link(h, &name, &up, &s))
		d->each(name, up, &s, d->userdata);
	return MNL_CB_OK;
}

/* A part that something has changed meanwhile is read all the same (mnl_cb_run would end there):
 * what it names is there, but not all that is there may be named, or may be named twice
 * (NLM_F_DUMP_INTR). */
static int read_part(void *part, size_t size, unsigned port, struct dump *d)
{
	int left = (int)size;

	for (struct nlmsghdr *h = part; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		if (h->nlmsg_flags & NLM_F_DUMP_INTR) {
			d->interrupted = true;
			h->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
		}
	return mnl_cb_run(part, size, 1, port, on_link, d);
}

static int dump(struct mnl_socket *s, struct dump *d)
{
	_cleanup_(freep) char *buffer = xcalloc(DUMP_SIZE, 1);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	unsigned port = mnl_socket_get_portid(s);
	ssize_t n;
	int r = MNL_CB_OK;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	/* Without those of IPv6, which the kernel adds up over all processors for an eighth of the
	 * time. The link's own come all the same. */
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(s, buffer, DUMP_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = read_part(buffer, (size_t)n, port, d);
	}
	return r < 0 ? -errno : d->interrupted ? -EINTR : 0;
}

int ifstats_dump(
	void (*each)(const char *name, bool up, const struct rtnl_link_stats64 *s, void *userdata),
	void *userdata)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 ? 0 : -errno;

	if (r == 0)
		r = dump(s, &(struct dump){ .each = each, .userdata = userdata });
	if (s)
		(void)mnl_socket_close(s);
	return r;
}
