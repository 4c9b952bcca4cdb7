/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl container info, and what it shows of a status log, as logs does. */
#pragma once

#include "agent/ctl/ctl_show.h"

enum ctl_exit ctl_info_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err);

#define CTL_INFO_LOGS 11
extern const struct ctl_column ctl_info_logs[CTL_INFO_LOGS];
