/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl top on a terminal. */
#pragma once

#include "agent/ctl/ctl_toprow.h"

/* Show @t and what comes after it until a key ends it. An agent that doesn't answer at the
 * beginning is a failure; later it is said, and asked again. */
enum ctl_exit ctl_topscreen_run(const struct ctl *ctl, struct ctl_toprows *t, struct err *err);
