/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container's link is called, and its addresses: worked out from the configuration and the
 * container's spec alone. Pure. */
#pragma once

#include <jansson.h>
#include <netinet/in.h>

#include "agent/common/conf.h"
#include "agent/state/desired.h"
#include "lxc/ctspec.h"
#include "netfilter/fwrule.h"

/* The addresses of "a.b.c.d/prefix". -EINVAL. */
_must_check_ int ctlink_range(const char *cidr, size_t len, struct fwrange *ret);

/* Network.Subnet6 without the bits beyond its length; zero, and a length of 0: there is none. */
unsigned ctlink_subnet6(const struct conf *conf, uint8_t ret[static 16]);

/* Its IPv6 address, the place in Subnet6 that its IPv4 address has in Subnet4; false (or zero): it
 * has none. */
bool ctlink_address6(
	const struct conf *conf, const struct ctspec *spec, char ret[static INET6_ADDRSTRLEN]);
void ctlink_address6_bytes(
	const struct conf *conf, const struct ctspec *spec, uint8_t ret[static 16]);

/* The host's end. It is a hash, which is worked out once: whoever goes through all of them can't do
 * that each time. */
const char *ctlink_name(const struct conf *conf, struct container *c);

/* All of it, for a worker's job (agent/worker/worker_job.h). */
json_t *ctlink_json(const struct conf *conf, const struct ctspec *spec);
