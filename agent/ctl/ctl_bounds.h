/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl doctor on what the kernel has for all: does the host leave room for containers, and do
 * their bounds leave room for the host's and one another? */
#pragma once

#include "agent/common/conf.h"

struct ctl_bounds_finding {
	bool fault, doubt;
	const char *check, *mend;
	char found[256];
};

#define CTL_BOUNDS_FINDINGS 10

/* One finding for each thing that is looked at. */
void ctl_bounds_look(
	const struct conf *conf, struct ctl_bounds_finding ret[static CTL_BOUNDS_FINDINGS]);
