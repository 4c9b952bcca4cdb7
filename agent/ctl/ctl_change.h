/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever changes something is one flow: begin it, follow it to its end, and let go of it when the
 * user interrupts. */
#pragma once

#include "agent/ctl/ctl.h"

enum ctl_exit ctl_change(const struct ctl *ctl, const char *method, const char *path,
	const json_t *body, struct err *err);
enum ctl_exit ctl_change_follow(const struct ctl *ctl, const char *operation_id, struct err *err);
