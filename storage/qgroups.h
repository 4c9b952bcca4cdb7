/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What btrfs counts for each subvolume, as its quota tree has it: (0, BTRFS_QGROUP_INFO_KEY,
 * qgroupid), where a qgroup of level 0 has its subvolume's id. In no library of btrfs's own: what
 * looks here need not link one. */
#pragma once

#include "proto/base.h"

struct qgroups_use {
	uint64_t subvolume;
	uint64_t referenced, exclusive; /* bytes */
};

/* Each qgroup of level 0, by rising id, in one search of 64 KiB at a time. @fd: any directory of
 * the file system's. Stops at the first failure, as where quotas are off: nothing is told. */
void qgroups_each(
	int fd, void (*each)(const struct qgroups_use *use, void *userdata), void *userdata);
