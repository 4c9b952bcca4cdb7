/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries polls and report batches between a channel to the agent and the control API, and names
 * nothing: it sees orders as opaque bytes. The agent decides when; every POLL is answered with one
 * SIGNED, ORDERS or FAILED, every DELIVER with one SIGNED, ACKED or FAILED. */
#pragma once

#include "agent/courier/http.h"
#include "proto/channel.h"

struct courier;

/* The agent is gone (0), has broken the rules, or can't be written to (< 0). Nothing is sent any
 * more. */
typedef void (*courier_gone)(int r, void *userdata);

/* Says READY on @fd, which it takes (also on failure). @setup is borrowed, and the agent's new keys
 * are put into it. */
_must_check_ int courier_open(sd_event *event, struct http_setup *setup, int fd, courier_gone gone,
	void *userdata, struct courier **ret);
struct courier *courier_close(struct courier *c);
