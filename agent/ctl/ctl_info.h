/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl container info. */
#pragma once

#include "agent/ctl/ctl.h"

enum ctl_exit ctl_info_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err);
