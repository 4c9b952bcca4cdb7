/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a pool begins: its directory `containers` (storage/pool.h). No job makes it, so that a pool
 * whose file system is not mounted is not taken for an empty one. */
#pragma once

#include "agent/common/agent.h"

/* Make it while the node knows of no container, and the pool has to hold nothing yet; else nothing
 * is done. Before the first thing is made there: at a start, and again, for a disk that was mounted
 * since. Where it can't be made, the job says why. */
void pooldir_begin(const struct agent *a);
