/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of this host's links, all in one reading of /proc/net/dev (proc_pid_net(5)). A dump
 * by rtnetlink says more, takes four times as long (1,000 links: 5.6 beside 1.5 ms), and waits for
 * the kernel's lock of all links (rtnl), which whoever makes or unmakes links has meanwhile, in a
 * container too. This waits for nobody. */
#pragma once

#include <linux/if_link.h>
#include <net/if.h>

#include "proto/base.h"

/* Calls @each for every link of this process's network namespace; @name and @s are borrowed. Of
 * @s the bytes, packets, errors and drops are filled in. Returns 0 or a negative errno. Where links
 * come and go meanwhile, kernels before 6.9 may leave another out. */
_must_check_ int ifstats_read(
	void (*each)(const char *name, const struct rtnl_link_stats64 *s, void *userdata),
	void *userdata);

/* One line of it. False: it is of no link. */
bool ifstats_read_line(
	const char *line, char ret_name[static IF_NAMESIZE], struct rtnl_link_stats64 *ret);
