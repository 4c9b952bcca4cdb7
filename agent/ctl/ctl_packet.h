/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of hoodyctl doctor: does a packet get through this host's tables? It is tried, in a copy: three
 * network namespaces that end with the process that tries (a container's, the host's, the world's),
 * links of the names that are the host's, and one of the host's tables at a time. So nothing is
 * sent from this host, nothing of it is changed, and whether the agent runs, or what its own table
 * says, makes no difference.
 *
 * What is tried is a TCP connection to the outside and one from there, over IPv4. A table is copied
 * as nft(8) writes it down, or, one of iptables-legacy, as the kernel does (IPT_SO_GET_ENTRIES):
 * that needs no iptables. Needs root, nft(8) and ip(8).
 *
 * What only several tables do together (one marks, another drops what has no mark), and what
 * bridge, netdev and ip6 tables do, it does not show. */
#pragma once

#include <stdint.h>

#include "proto/base.h"

struct ctl_packet_world {
	const char *prefix; /* of containers' links: Network.InterfacePrefix */
	uint32_t container; /* an address that a container could have; host byte order */
};

/* One of another's; @family NULL: one of iptables-legacy; @name NULL: none. */
struct ctl_packet_table {
	const char *family, *name;
};

enum ctl_packet_end {
	CTL_PACKET_PASSES,
	CTL_PACKET_UNTRIED, /* this host has not what it takes, or the table can't be copied */
	CTL_PACKET_NOT_OUT, /* what containers begin doesn't get through */
	CTL_PACKET_NOT_IN,  /* what is begun from outside doesn't */
};

/* @ret_where: the hook that took the first packet ("in forward"), or that it was the answer ("when
 * it is answered"). */
enum ctl_packet_end ctl_packet_try(
	const struct ctl_packet_world *w, const struct ctl_packet_table *t, const char **ret_where);
