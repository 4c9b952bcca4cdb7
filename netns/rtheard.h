/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rtnetlink(7) tells of links, addresses, routes, rules and forwarding, read for what of ours
 * it may have taken away. Pure. */
#pragma once

#include "netns/rtkeep.h"

struct nlmsghdr;

/* A datagram's messages; adds to @seen. What has been done by @port isn't told: it was ours. */
void rtheard_read(const void *data, size_t size, uint32_t port, struct rtkeep_seen *seen);
/* One message, which is whole. */
void rtheard_look(const struct nlmsghdr *h, struct rtkeep_seen *seen);

/* The number that is the attribute @type, of those behind the first @offset bytes of what follows
 * the header; 0: there is none. */
uint32_t rtheard_u32(const struct nlmsghdr *h, size_t offset, int type);
