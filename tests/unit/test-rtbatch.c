/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several requests to a real kernel in one call, in a network namespace of the test's own. */
#include <net/if.h>
#include <netlink/route/link.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netns/rtbatch.h"
#include "netns/rtsock.h"
#include "tests/unit/tap.h"

#define LOOPBACK 1
#define NOBODY   4242

static struct nl_msg *set_mtu(int ifindex, unsigned mtu)
{
	struct rtnl_link *link = rtsock_must(rtnl_link_alloc()),
			 *change = rtsock_must(rtnl_link_alloc());
	struct nl_msg *m = NULL;

	rtnl_link_set_ifindex(link, ifindex);
	rtnl_link_set_mtu(change, mtu);
	(void)rtnl_link_build_change_request(link, change, 0, &m);
	rtnl_link_put(change);
	rtnl_link_put(link);
	return m;
}

static unsigned mtu_of(const char *name)
{
	struct ifreq r = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(r.ifr_name, name);
	(void)ioctl(fd, SIOCGIFMTU, &r);
	(void)close(fd);
	return (unsigned)r.ifr_mtu;
}

static void test_one_fails(struct nl_sock *s)
{
	_cleanup_rtbatch_ struct rtbatch b = {};

	rtbatch_add(&b, set_mtu(LOOPBACK, 2000));
	rtbatch_add(&b, set_mtu(NOBODY, 2000));
	rtbatch_add(&b, set_mtu(LOOPBACK, 3000));
	TAP_EQ(rtbatch_send(&b, s), 0, "each is answered");
	TAP_OK(b.said[0] == 0 && b.said[1] == -NLE_NODEV && b.said[2] == 0, "by itself");
	TAP_EQ(mtu_of("lo"), 3000, "what comes after one that fails is done");
	TAP_EQ(rtbatch_failure(&b, 0, b.n), -NLE_NODEV, "it has failed");
	TAP_OK(rtbatch_failure(&b, 0, 1) == 0 && rtbatch_failure(&b, 2, 3) == 0, "and no other");
}

static void test_again(struct nl_sock *s)
{
	_cleanup_rtbatch_ struct rtbatch none = {}, full = {};

	TAP_EQ(rtbatch_send(&none, s), 0, "nothing is said, and nothing waited for");
	for (unsigned i = 0; i < RTBATCH_MAX; i++)
		rtbatch_add(&full, set_mtu(LOOPBACK, 4000 + i));
	TAP_OK(rtbatch_send(&full, s) == 0 && rtbatch_failure(&full, 0, full.n) == 0,
		"as many as fit, on the same socket");
	TAP_EQ(mtu_of("lo"), 4000 + RTBATCH_MAX - 1, "in their order");
}

int main(void)
{
	_cleanup_sock_ struct nl_sock *s = NULL;
	struct err err = {};

	if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		TAP_SKIP("no network namespace");
		return tap_done();
	}
	if (rtsock_open(&s, &err) < 0)
		return EXIT_FAILURE;
	test_one_fails(s);
	test_again(s);
	return tap_done();
}
