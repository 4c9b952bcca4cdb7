/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl firewall list. */
#pragma once

#include "agent/ctl/ctl.h"

enum ctl_exit ctl_rules_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err);
