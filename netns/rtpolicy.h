/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets with the forwarders' mark are for this host, whatever their destination (tproxy,
 * ip-rule(8)); those with the mark that only the firewall takes off (netns/rtguard) are forwarded
 * nowhere. Two rules and one route for all containers; they stay. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define RTPOLICY_TABLE    0x686f /* "ho": any that nobody else has */
#define RTPOLICY_PRIORITY 100

/* There already: success. */
_must_check_ int rtpolicy_make(uint32_t local_mark, uint32_t no_mark, struct err *err);
