/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's link: a veth pair, routed and not bridged.
 *
 * The host's end has a link-local address (the container's gateway), a route to the container's one
 * address and a permanent neighbour for it, so that nothing the container says by ARP changes where
 * packets go; it answers for no other address of the host, and takes part in no redirects. The other
 * end waits in the host's namespace, down, until the container's namespace takes it.
 *
 * The firewall must know the interface's name before it is made: netfilter/fwtable. By rtnetlink
 * (libnl) and /proc/sys/net; blocks for about 1 ms, and for some 10 ms when a link is removed. */
#pragma once

#include "netns/rtname.h"
#include "proto/base.h"
#include "proto/err.h"

/* In place of one that is there. */
_must_check_ int rtlink_make(const struct rtlink *l, struct err *err);
/* Not there: success. */
_must_check_ int rtlink_remove(const char *name, struct err *err);

/* The same by its index, which no later link has. */
_must_check_ int rtlink_remove_index(int ifindex, struct err *err);
