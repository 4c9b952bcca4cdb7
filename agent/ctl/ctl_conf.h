/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration, as hoodyctl's commands need it. */
#pragma once

#include "agent/ctl/ctl.h"

/* The configuration as --config says, without the checks that need an enrolled node. With no
 * --config and no file at the default place: the defaults. Returns CTL_OK or CTL_CONFIG. */
enum ctl_exit ctl_conf_read(const struct ctl *ctl, struct conf *ret, struct err *err);
