/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the agent over its socket, and the answer. */
#pragma once

#include "agent/ctl/ctl.h"
#include "proto/frame.h"

/* Send a frame of @type with @a and wait for its answer: *ret is a JSON object, the caller's.
 * CTL_UNREACHABLE when nobody listens or nothing comes in 10 s, CTL_FAILED when the agent says no,
 * CTL_CONFIG. */
enum ctl_exit ctl_ask(
	const struct ctl *ctl, enum frame_type type, uint64_t a, json_t **ret, struct err *err);

/* The same with a payload and a descriptor, both borrowed. */
enum ctl_exit ctl_ask_with(const struct ctl *ctl, enum frame_type type, const json_t *payload,
	int fd, json_t **ret, struct err *err);
