/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dump of the links while one goes, in a network namespace of its own: what the kernel tells
 * after that is told, too. */
#include "netns/ifstats.h"

#include <sched.h>

#include "tests/unit/tap.h"

#define PAIRS 150 /* several parts of a dump: the kernel makes the next one early */
#define LAST  "b149"

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

static void each(const char *name, bool up, const struct rtnl_link_stats64 *s, void *userdata)
{
	struct look *l = userdata;

	l->last = l->last || strcmp(name, LAST) == 0;
	if (l->n++ == 0 && l->disturb && system("ip link del a0") != 0)
		TAP_BAIL("a link can't be removed");
}

int main(void)
{
	struct look quiet = {}, disturbed = { .disturb = true }, again = {};

	if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
		TAP_SKIP_ALL("no network namespace");
	make_links();
	TAP_EQ(ifstats_dump(each, &quiet), 0, "a dump that nobody disturbs");
	TAP_EQ(quiet.n, 2 * PAIRS + 1, "has all links");
	TAP_EQ(ifstats_dump(each, &disturbed), -EINTR, "one that a link's end disturbs says so");
	TAP_OK(disturbed.last, "and goes on to the last link");
	TAP_EQ(ifstats_dump(each, &again), 0, "the next one");
	TAP_EQ(again.n, 2 * PAIRS - 1, "has all that are left");
	return tap_done();
}
