/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has containers by: the cgroup that theirs are in, what their links begin with,
 * and the table that filters them. A container that runs has the names of its launch. Under others
 * the agent would not see it and launch it beside itself, and its rules would be another link's; so
 * others in the configuration wait for a start at which none runs. */
#pragma once

#include "agent/common/agent.h"

/* Before any of the names is used: @a->conf gets those that hold, and a table by a name that holds
 * no more is taken off. */
_must_check_ int ctnames_settle(struct agent *a, struct err *err);
