/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Project quotas (quotactl(2), PRJQUOTA): xfs, and ext4 mounted with prjquota.
 *
 * A container has two projects: the first id of its range, and the one behind it. A root that is
 * made to take another's place (restore, sync) is of the project that the other isn't, so that for
 * the while that both are there each has the whole limit, as it has on btrfs. */
#pragma once

#include "storage/quota.h"

/* The project for a tree that is to take @root's place. @project: the container's first. */
uint32_t projquota_beside(int root, uint32_t project);

/* The empty directory, and all that will be made in it, belong to @q->project from now on, which is
 * either of the container's, and may have the bytes, and twice their share of the file system's
 * files (16,384 at least): ext4 has so many of these and no more. Returns 0; -ENOTSUP where project
 * quotas are off. */
_must_check_ int projquota_limit(int dir, const struct quota *q);

/* The same for a root that belongs to one of them; @q->project: the first. -ENOTSUP also for one
 * that belongs to none, unless there is to be no limit. */
_must_check_ int projquota_change(int dir, const struct quota *q);

/* Bytes that a root takes, by the kernel's count; -1 where nothing counts for it or it has no
 * limit. Two calls of the kernel's. */
int64_t projquota_use(int root, uint32_t project);
