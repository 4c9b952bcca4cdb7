/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of this host's links, all in one dump (rtnetlink(7), RTM_GETLINK). */
#pragma once

#include <linux/if_link.h>

#include "proto/base.h"

struct nlmsghdr;

/* Calls @each for every link; @name and @s are borrowed. Returns 0 or a negative errno; -EINTR:
 * links came or went meanwhile, so one may be missing or come twice: ask again. 1,000 links take
 * about 3 ms. */
_must_check_ int ifstats_dump(
	void (*each)(const char *name, bool up, const struct rtnl_link_stats64 *s, void *userdata),
	void *userdata);

/* One message of it; *@ret_name is borrowed. False: it names no link. */
bool ifstats_read_link(const struct nlmsghdr *h, const char **ret_name, bool *ret_up,
	struct rtnl_link_stats64 *ret);
