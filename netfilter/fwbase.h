/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the table that all containers share: base chains, dispatch, and the forms of its
 * keys. What a packet meets in which order stands in netfilter/fwtable.h. */
#pragma once

#include "netfilter/fwtable.h"
#include "netfilter/nfbatch.h"

/* Chains and sets that a container's part names. */
#define FWBASE_REJECT "refuse"
/* interface, MAC, IPv4 address: who may speak as whom → with which mark */
#define FWBASE_ADDRESSES  "addresses"
#define FWBASE_ADDRESSES6 "addresses6" /* the same with its IPv6 address, when it has one */
#define FWBASE_SOURCES    "sources"    /* IPv4 addresses of containers: to masquerade */
#define FWBASE_PROJECTS   "projects"   /* interface → project */
#define FWBASE_MEMBERS    "members"    /* project, interface */
#define FWBASE_CLOSED     "closed"     /* interfaces in block or proxy mode */
#define FWBASE_PROXIED    "proxied"    /* interface → port of its forwarder */
#define FWBASE_PROXIES    "proxies"    /* family, IPv4 ranges */
#define FWBASE_FULL       "full"       /* interfaces that had too many flows a moment ago */
#define FWBASE_FLOWS      "flows"      /* interface → where its flows are counted */
#define FWBASE_REFUSED    "refused"    /* interfaces, with a counter of what that has cost them */

/* Keys, as registers have them: interfaces padded with NULs to 16 bytes, all else to 4. */
struct fwbase_family_key {
	uint8_t family, pad[3];
	char ifname[FWTABLE_IFNAME_MAX];
};
struct fwbase_address_key {
	char ifname[FWTABLE_IFNAME_MAX];
	uint8_t mac[6], pad[2];
	uint32_t address; /* network byte order */
};
struct fwbase_address6_key {
	char ifname[FWTABLE_IFNAME_MAX];
	uint8_t mac[6], pad[2];
	uint8_t address[16];
};
struct fwbase_member_key {
	uint32_t project;
	char ifname[FWTABLE_IFNAME_MAX];
};

struct fwbase_family_key fwbase_family_key(uint8_t family, const char *ifname);
struct fwbase_address_key fwbase_address_key(const struct fwport *p);
struct fwbase_address6_key fwbase_address6_key(const struct fwport *p);
struct fwbase_member_key fwbase_member_key(const struct fwport *p);

void fwbase_build(struct nfbatch *b, const struct fwtable_conf *conf);
