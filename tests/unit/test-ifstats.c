/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines as the kernel writes them, and others; then all links, in a network namespace of its own,
 * also while one goes. */
#include "netns/ifstats.h"

#include <sched.h>
#include <stdio.h>

#include "tests/unit/tap.h"

#define PAIRS 150 /* several reads of the file: the kernel makes a page of it at a time */
#define LAST  "b149"

static void lines(void)
{
	static const char *const bad[] = { "", ":", "\n", "a", ": 1 2 3 4 5 6 7 8 9 10 11 12",
		"Inter-|   Receive                                                |  Transmit\n",
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11\n", "eth0: 1 2 3 4 5 6 7 8 9 10 11 x\n",
		"eth0: -1 2 3 4 5 6 7 8 9 10 11 12\n",
		"a-name-of-16-is-: 1 2 3 4 5 6 7 8 9 10 11 12\n" };
	struct rtnl_link_stats64 s;
	char name[IF_NAMESIZE];

	TAP_OK(ifstats_read_line(
		       "  eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", name,
		       &s),
		"a line");
	TAP_STREQ(name, "eth0", "its link");
	TAP_OK(s.rx_bytes == UINT64_MAX && s.rx_packets == 2 && s.rx_errors == 3 &&
			s.rx_dropped == 4,
		"what it received");
	TAP_OK(s.tx_bytes == 9 && s.tx_packets == 10 && s.tx_errors == 11 && s.tx_dropped == 12,
		"and sent");
	TAP_OK(ifstats_read_line("name-of-15-char: 1 2 3 4 5 6 7 8 9 10 11 12", name, &s),
		"the longest name");
	for (size_t i = 0; i < countof(bad); i++)
		TAP_OK(!ifstats_read_line(bad[i], name, &s), "not of a link: \"%.*s\"",
			(int)strcspn(bad[i], "\n"), bad[i]);
}

static void make_links(void)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		TAP_BAIL("no ip");
	for (int i = 0; i < PAIRS; i++)
		(void)fprintf(ip, "link add a%d type veth peer name b%d\n", i, i);
	if (pclose(ip) != 0)
		TAP_BAIL("no links");
}

struct look {
	unsigned n;
	bool disturb, last;
};

static void each(const char *name, const struct rtnl_link_stats64 *s, void *userdata)
{
	struct look *l = userdata;

	l->last = l->last || strcmp(name, LAST) == 0;
	if (l->n++ == 0 && l->disturb && system("ip link del a0") != 0)
		TAP_BAIL("a link can't be removed");
}

int main(void)
{
	struct look quiet = {}, disturbed = { .disturb = true }, again = {};

	lines();
	if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		TAP_SKIP("no network namespace");
		return tap_done();
	}
	make_links();
	TAP_EQ(ifstats_read(each, &quiet), 0, "all links are read");
	TAP_EQ(quiet.n, 2 * PAIRS + 1, "each of them");
	TAP_EQ(ifstats_read(each, &disturbed), 0, "and while one goes");
	TAP_OK(disturbed.last, "on to the last link");
	TAP_EQ(ifstats_read(each, &again), 0, "and afterwards");
	TAP_EQ(again.n, 2 * PAIRS - 1, "all that are left");
	return tap_done();
}
