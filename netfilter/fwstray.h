/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is sent to an address of the containers' networks that no container has. No route of a
 * container's takes it, so it would leave by the uplink, as one container's words to another that
 * has stopped; and where a router has been told that those networks are here, it would go round
 * between the two until its hops are used up.
 *
 * So whatever is forwarded to such an address is answered "host unreachable", unless it leaves by
 * Ethernet without a gateway: then a network of the host's own has that address, too, and is
 * nobody's to close. What the host itself sends isn't looked at. */
#pragma once

#include "netfilter/fwtable.h"
#include "netfilter/nfbatch.h"

/* Its chains, and the rules of @chain (the first ones there) that lead to them. */
void fwstray_build(struct nfbatch *b, const char *chain, const struct fwtable_conf *conf);
