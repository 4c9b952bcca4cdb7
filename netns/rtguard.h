/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands before the firewall on a container's link and is no part of nftables, so that "nft
 * flush ruleset" doesn't take it: every packet that comes in there gets a mark. The table takes it
 * off again, and the routes take none that still has it (netns/rtkeep, FWTABLE_UNSEEN_MARK). Those
 * of IPv6 come no further where the container has none.
 *
 * A program of a few instructions at tc's ingress (tc-bpf(8)); it goes with its link. */
#pragma once

#include "proto/base.h"

#define RTGUARD_SIZE 256 /* of a request at most */

struct nlmsghdr;

/* The program, of which a link's filter keeps a reference of its own: the caller's descriptor, or a
 * negative errno. @six: IPv6 is let through. */
_must_check_ int rtguard_load(uint32_t mark, bool six);
/* The requests that put it on a link, one after the other, before the one that raises that; @fd is
 * needed until they are sent. Each is in @buffer, which is aligned for it. EEXIST: it is there.
 * A kernel without CONFIG_NET_CLS_BPF refuses them (ENOENT). */
struct nlmsghdr *rtguard_hook(void *buffer, int ifindex);
struct nlmsghdr *rtguard_program(void *buffer, int ifindex, int fd);
