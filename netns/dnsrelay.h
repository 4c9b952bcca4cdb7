/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's DNS queries over UDP, whomever they were for, asked of the configured servers
 * over one TCP connection through the upstream (RFC 7766). For one sd-event loop. */
#pragma once

#include "netns/upstream.h"

#define DNSRELAY_SERVERS_MAX 4

struct dnsrelay;

/* @socket: UDP, transparent, with IP_RECVORIGDSTADDR, stays the caller's. Its answers leave with
 * the socket's own port; the table makes 53 of it (netfilter/fwtable). Lives as long as its
 * process. */
_must_check_ int dnsrelay_new(
	sd_event *event, struct upstream_pool *upstreams, int socket, struct dnsrelay **ret);

/* Host byte order; at least one. What is under way is forgotten: clients ask again. */
void dnsrelay_configure(struct dnsrelay *d, const uint32_t *servers, size_t n);
/* The one that is asked now. */
uint32_t dnsrelay_server(const struct dnsrelay *d);
