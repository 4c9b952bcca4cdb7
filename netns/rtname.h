/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container's link is called. Pure. */
#pragma once

#include <net/if.h>

#include "proto/base.h"

#define RTLINK_INSIDE   "eth0"
#define RTLINK_GATEWAY  "169.254.1.1" /* RFC 3927; no other subnet has it */
#define RTLINK_GATEWAY6 "fe80::1"

struct rtlink {
	char name[IF_NAMESIZE]; /* the host's end; the other is RTLINK_INSIDE */
	uint8_t mac[6];         /* of the other end */
	uint32_t address;       /* host byte order */
	bool has_address6;
	uint8_t address6[16]; /* network byte order */
	uint64_t limit_bps;   /* towards the container, bits per second; 0: none */
	uint32_t unseen_mark; /* of what comes from it (netns/rtguard); 0: none */
};

/* The name and the MAC that go with a container's id: the first 12 hex digits of its SHA-256 after
 * the prefix. */
void rtname_fill(const char *prefix, const char *id, struct rtlink *ret);

/* What a link of that name is called while the kernel clears it away and another has its name: no
 * container's, whose names have hex digits there. */
static inline void rtname_aside(const char *name, char ret[static IF_NAMESIZE])
{
	(void)snprintf(ret, IF_NAMESIZE, "%s", name);
	ret[strlen(ret) - 1] = 'x';
}
