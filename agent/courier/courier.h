/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/courier: hoody-courier, which alone speaks to the control API and fetches images.
 *
 * Here lie the poll and delivery by its channel (courier), a fetch of its own (fetch), HTTP by
 * libcurl (http, gunzip), and which answers are read at all (http_rules, pure). It stands on
 * agent/common and proto alone, runs confined (proto/sandbox) and holds no file; what it is told is
 * in PROTOCOL.md's section of the channel.
 *
 * This header: it carries polls and report batches between a channel to the agent and the control
 * API, and names nothing: it sees orders as opaque bytes. The agent decides when; every POLL is
 * answered with one SIGNED, ORDERS or FAILED, every DELIVER with one SIGNED, ACKED or FAILED. */
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
