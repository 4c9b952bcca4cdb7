/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's TCP connections, each to where it was going, through the upstream. Bytes are moved by
 * splice(2) where no TLS is in the way. For one sd-event loop. */
#pragma once

#include "netns/upstream.h"

struct relays;

/* @listener: transparent and listening, stays the caller's. @dns: where connections to port 53 go, host
 * byte order, asked each time. */
_must_check_ int relays_new(sd_event *event, struct upstreams *upstreams, int listener,
	uint32_t (*dns)(void *userdata), void *userdata, struct relays **ret);
struct relays *relays_free(struct relays *s);

/* Reset every connection: the upstream is another one now. */
void relays_reset(struct relays *s);
size_t relays_count(const struct relays *s);
