/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's TCP connections, each to where it was going, through the upstream. Bytes are
 * moved by splice(2) where no TLS is in the way. For one sd-event loop. */
#pragma once

#include "netns/upstream.h"

struct relay_set;

/* @listener: transparent and listening, stays the caller's. @dns: where connections to port 53 go,
 * host byte order, asked each time. Lives as long as its process. */
_must_check_ int relay_set_new(sd_event *event, struct upstream_pool *upstreams, int listener,
	uint32_t (*dns)(void *userdata), void *userdata, struct relay_set **ret);

/* Reset every connection: the upstream is another one now. */
void relay_set_reset(struct relay_set *s);
size_t relay_set_count(const struct relay_set *s);
