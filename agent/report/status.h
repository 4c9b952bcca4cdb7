/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's status changes in one place: recorded, and reported to all who listen. */
#pragma once

#include "agent/state/desired.h"

struct agent;

/* Record a container's new status, log it and report it. @since_ms: when it began, or 0: now. In
 * the open transaction. */
void status_set(struct agent *a, struct container *c, enum ct_status to, int64_t since_ms,
	const char *triggered_by, json_t *metadata_steals);
