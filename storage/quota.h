/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a container's root may take on the disk, as the kernel counts and enforces it; here
 * btrfs. For other file systems: storage/projquota.h. */
#pragma once

#include "proto/base.h"

struct quota {
	uint32_t project; /* the first of its two: storage/projquota.h */
	int64_t bytes;    /* 0: no limit, or none any more */
};

/* What the kernel says where quotas are off, or where it knows none. @r: 0 or -errno. */
static inline bool quota_is_off(int r)
{
	return r == -ESRCH || r == -ENOTSUP || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL ||
	       r == -ENOTTY;
}

/* A limit on what the subvolume refers to, shared or not. Quotas are turned on where they are
 * off. */
_must_check_ int quota_limit_subvolume(int subvolume, const struct quota *q);

/* Limits of subvolumes hold as long as btrfs knows what each refers to. It gives that up for what
 * would take it long (a large tree's removal) or what failed, and doesn't begin anew by itself
 * (qgroup_mark_inconsistent in the kernel's fs/btrfs). Has it count again, which takes its time,
 * and needn't be waited for. @fd: anything on the pool's file system. Returns 1 when that was
 * begun; 0 when there is no need, or no btrfs. */
_must_check_ int quota_recount(int fd);

/* Kernels before 6.11 leave the qgroup of a subvolume behind when that goes, and later ones do when
 * they lose their power in that moment. Removes those, some at a time: of level 0, with nothing in
 * them, and whose subvolume is gone for good. What can't be removed is litter. Waits for a commit
 * when there are any. */
void quota_sweep(int fd);
