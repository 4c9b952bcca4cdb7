/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory into a container that runs, or out of it. */
#pragma once

#include "agent/ctl/ctl.h"

/* Root alone may. @from and @to: a path in the container and one of this host, or the other way
 * round. */
enum ctl_exit ctl_inside_copy_in(const struct ctl *ctl, const char *container, const char *from,
	const char *to, struct err *err);
enum ctl_exit ctl_inside_copy_out(const struct ctl *ctl, const char *container, const char *from,
	const char *to, struct err *err);
