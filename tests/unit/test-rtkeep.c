/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk over the ways out, in a network namespace of its own, when an earlier dump was left
 * half-way: what is left of it in the socket is not taken for the answer. */
#include "netns/rtkeep.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include "netns/ifsysctl.h"
#include "tests/unit/tap.h"

#define ROUTES 2000 /* more than the kernel puts into one part */

static void make_routes(void)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		TAP_BAIL("no ip");
	(void)fputs("link add up0 type veth peer name up1\n"
		    "link set up0 up\nlink set up1 up\n",
		ip);
	for (int i = 0; i < ROUTES; i++)
		(void)fprintf(ip, "route add blackhole 10.%d.%d.0/24\n", i / 256, i % 256);
	(void)fputs("route add 192.0.2.0/24 dev up0\n", ip);
	if (pclose(ip) != 0)
		TAP_BAIL("no routes");
}

/* By the socket that rtkeep asks by, which it opens behind the one that it hears by. */
static void leave_half_way(const struct rtkeep *k)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg m;
	} q = { { sizeof(q), RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 1u << 30, 0 },
		{ .rtm_family = AF_INET } };
	int fd = rtkeep_fd(k) + 1, protocol = -1;
	socklen_t size = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ||
		protocol != NETLINK_ROUTE || send(fd, &q, sizeof(q), 0) != sizeof(q))
		TAP_BAIL("no second socket");
}

int main(void)
{
	struct rtkeep *k = NULL;

	if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
		TAP_SKIP_ALL("no network namespace");
	make_routes();
	if (rtkeep_open(&k) < 0)
		TAP_BAIL("no rtkeep");
	ifsysctl_write("ipv4", "up0", "forwarding", "0");
	TAP_EQ(rtkeep_uplinks(k, "hd"), 1, "a way out that does not forward");
	leave_half_way(k);
	TAP_EQ(rtkeep_uplinks(k, "hd"), 0, "forwards, also after a dump that nobody has read");
	ifsysctl_write("ipv4", "up0", "forwarding", "0");
	leave_half_way(k);
	TAP_EQ(rtkeep_uplinks(k, "hd"), 1, "and one that does not is found then, too");
	(void)rtkeep_close(k);
	return tap_done();
}
