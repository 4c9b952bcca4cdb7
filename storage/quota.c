/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/quota.h"

#include <btrfsutil.h>
#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define BLOCK 1024 /* if_dqblk counts in these (quotactl(2)) */

static int quota_call(int fd, unsigned command, uint32_t id, void *data)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

static bool is_off(int r)
{
	return r == -ESRCH || r == -ENOTSUP || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL ||
	       r == -ENOTTY;
}

int quota_change_project(int dir, const struct quota *q)
{
	struct if_dqblk limits = { .dqb_bhardlimit = (uint64_t)(q->bytes + BLOCK - 1) / BLOCK,
		.dqb_valid = QIF_BLIMITS };
	struct fsxattr attributes;
	int r = ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0 ? -errno : 0;

	if (r >= 0 && attributes.fsx_projid != q->project)
		return q->bytes == 0 ? 0 : -ENOTSUP;
	if (r >= 0)
		r = quota_call(dir, Q_SETQUOTA, q->project, &limits);
	return is_off(r) ? (q->bytes == 0 ? 0 : -ENOTSUP) : r;
}

int quota_limit_project(int dir, const struct quota *q)
{
	struct if_dqblk limits = { .dqb_bhardlimit = (uint64_t)(q->bytes + BLOCK - 1) / BLOCK,
		.dqb_valid = QIF_BLIMITS };
	struct fsxattr attributes;
	int r;

	if (q->bytes == 0)
		return 0;
	r = quota_call(dir, Q_SETQUOTA, q->project, &limits);
	if (r >= 0 && ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0)
		r = -errno;
	if (r >= 0) {
		attributes.fsx_projid = q->project;
		attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
		if (ioctl(dir, FS_IOC_FSSETXATTR, &attributes) < 0)
			r = -errno;
	}
	return is_off(r) ? -ENOTSUP : r;
}

static int limit(int subvolume, uint64_t id, int64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = { .qgroupid = id,
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
			.max_rfer = bytes > 0 ? (uint64_t)bytes : UINT64_MAX /* none */ } };

	return ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

static int turn_on(int fd)
{
	struct btrfs_ioctl_quota_ctl_args args = { .cmd = BTRFS_QUOTA_CTL_ENABLE };

	if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) < 0)
		return -errno;
	return ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT) < 0 ? -errno : 0;
}

/* Lifting one where there is none: success. */
int quota_limit_subvolume(int subvolume, const struct quota *q)
{
	uint64_t id;
	int r;

	if (btrfs_util_subvolume_id_fd(subvolume, &id) != BTRFS_UTIL_OK)
		return -ENOTSUP;
	r = limit(subvolume, id, q->bytes);
	if (q->bytes == 0)
		return r == -ENOTCONN || r == -ENOENT || is_off(r) ? 0 : r;
	if (r == -ENOTCONN) { /* quotas are off */
		r = turn_on(subvolume);
		if (r >= 0)
			r = limit(subvolume, id, q->bytes);
	}
	return is_off(r) ? -ENOTSUP : r;
}

/* The quota tree's own item, of which there is one: (0, BTRFS_QGROUP_STATUS_KEY, 0). */
static int status_flags(int fd, uint64_t *ret)
{
	struct btrfs_ioctl_search_args args = { .key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
							.min_type = BTRFS_QGROUP_STATUS_KEY,
							.max_type = BTRFS_QGROUP_STATUS_KEY,
							.max_offset = UINT64_MAX,
							.max_transid = UINT64_MAX,
							.nr_items = 1 } };
	struct btrfs_ioctl_search_header h;
	struct btrfs_qgroup_status_item item;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
		return -errno;
	memcpy(&h, args.buf, sizeof(h));
	if (args.key.nr_items == 0 || h.len < offsetof(struct btrfs_qgroup_status_item, rescan))
		return -ENOENT;
	memcpy(&item, args.buf + sizeof(h), MIN_OF(sizeof(item), (size_t)h.len));
	*ret = le64toh(item.flags);
	return 0;
}

int quota_recount(int fd)
{
	struct btrfs_ioctl_quota_rescan_args args = {};
	uint64_t flags;
	int r = status_flags(fd, &flags);

	if (r < 0)
		return r == -ENOENT || is_off(r) ? 0 : r; /* quotas are off, or it isn't btrfs */
	if (!(flags & BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT) ||
		(flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN))
		return 0;
	if (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &args) < 0)
		return errno == EINPROGRESS ? 0 : -errno;
	return 1;
}
