/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl env list. */
#pragma once

#include "agent/ctl/ctl.h"

enum ctl_exit ctl_env_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err);
/* "the container has them, …", or what is the matter; the caller's. */
char *ctl_env_sync(const struct ctl *ctl, const json_t *v);
