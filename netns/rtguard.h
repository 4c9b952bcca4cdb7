/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands before the firewall on a container's link and is no part of nftables, so that "nft
 * flush ruleset" doesn't take it: every packet that comes in there gets a mark. The table takes it
 * off again, and the routes take none that still has it (netns/rtkeep, FWTABLE_UNSEEN_MARK).
 *
 * A program of four instructions at tc's ingress (tc-bpf(8)); it goes with its link. */
#pragma once

#include <netlink/netlink.h>

#include "proto/base.h"

/* Before the link is up. 0, or a negative errno: a kernel without CONFIG_NET_CLS_BPF has no such
 * thing. */
_must_check_ int rtguard_make(struct nl_sock *s, int ifindex, uint32_t mark);
