/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much containers' roots take on the disk, as the pool's file system counts it anyway: by btrfs
 * qgroups, all in one search, or project quotas, one call each. Where it counts nothing, nothing is
 * told here: that is agent/stats/diskcount's. */
#pragma once

#include "agent/common/agent.h"
#include "agent/state/desired.h"

struct diskuse;

/* Look once, for all. The caller's. */
struct diskuse *diskuse_look(const struct agent *a);
struct diskuse *diskuse_free(struct diskuse *d);

/* Bytes, or -1. */
int64_t diskuse_of(const struct diskuse *d, const struct container *c);
