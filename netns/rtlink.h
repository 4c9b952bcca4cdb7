/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's link: a veth pair, routed and not bridged.
 *
 * The host's end has a link-local address (the container's gateway), a route to the container's one
 * address and a permanent neighbour for it, so that nothing the container says by ARP changes where
 * packets go; it answers for no other address of the host, and takes part in no redirects. The
 * other end is made in the container's namespace: to move it there would cost some 25 ms of the
 * kernel's waiting for its readers. It goes with that namespace.
 *
 * The firewall must know the interface's name before it is made: netfilter/fwtable. By rtnetlink
 * (libnl) and /proc/sys/net. */
#pragma once

#include <sys/types.h>

#include "netns/rtname.h"
#include "proto/base.h"
#include "proto/err.h"

/* For the network namespace of @pid, which has no RTLINK_INSIDE yet; in place of a link of the same
 * name that is there. A thread of its own enters that namespace. @before_up (or NULL) is called
 * beside that, when the link is there and nothing goes over it yet; when it fails there is no link.
 * About 1 ms. */
_must_check_ int rtlink_make(const struct rtlink *l, pid_t pid,
	int (*before_up)(const void *userdata, struct err *err), const void *userdata,
	struct err *err);

/* What goes to the container from now on, in bits per second; 0: as much as it can. */
_must_check_ int rtlink_set_limit(const char *name, uint64_t bps, struct err *err);

/* By its index, which no later link has. Not there: success. Some 15 ms. */
_must_check_ int rtlink_remove_index(int ifindex, struct err *err);
