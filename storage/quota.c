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

#define BLOCK       1024 /* if_dqblk counts in these (quotactl(2)) */
#define SWEEP_MAX   1000
#define LEVEL_0_MAX ((1ULL << 48) - 1)
#define SIMPLE_MODE (1ULL << 3) /* qgroups outlive their subvolumes there: btrfs(5) */

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

/* --- of subvolumes that are gone --- */

struct stale {
	uint64_t at[SWEEP_MAX];
	size_t n;
	size_t old; /* so many are below one that lives; an id above all may be the next one's */
};

/* One that is deleted has its item until all of it is gone. What can't be told is a yes. */
static bool has_subvolume(int fd, uint64_t id)
{
	struct btrfs_ioctl_search_args args = { .key = { .tree_id = BTRFS_ROOT_TREE_OBJECTID,
							.min_objectid = id,
							.max_objectid = id,
							.min_type = BTRFS_ROOT_ITEM_KEY,
							.max_type = BTRFS_ROOT_ITEM_KEY,
							.max_offset = UINT64_MAX,
							.max_transid = UINT64_MAX,
							.nr_items = 1 } };

	return ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0 || args.key.nr_items > 0;
}

static void judge(int fd, uint64_t id, const void *item, size_t size, struct stale *s)
{
	struct btrfs_qgroup_info_item info;

	if (has_subvolume(fd, id)) {
		s->old = s->n;
		return;
	}
	if (size < sizeof(info) || s->n == SWEEP_MAX)
		return;
	memcpy(&info, item, sizeof(info));
	if (info.rfer == 0 && info.excl == 0)
		s->at[s->n++] = id;
}

/* Items of the quota tree: (0, BTRFS_QGROUP_INFO_KEY, qgroupid), sorted. */
static void look_for_stale(int fd, struct stale *s)
{
	struct btrfs_ioctl_search_args args = { .key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
							.min_type = BTRFS_QGROUP_INFO_KEY,
							.max_type = BTRFS_QGROUP_INFO_KEY,
							.max_offset = LEVEL_0_MAX,
							.max_transid = UINT64_MAX } };

	for (;;) {
		const char *at = args.buf;

		args.key.nr_items = UINT32_MAX;
		if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0 || args.key.nr_items == 0)
			return;
		for (uint32_t i = 0; i < args.key.nr_items; i++) {
			struct btrfs_ioctl_search_header h;

			memcpy(&h, at, sizeof(h));
			judge(fd, h.offset, at + sizeof(h), h.len, s);
			args.key.min_offset = h.offset + 1;
			at += sizeof(h) + h.len;
		}
	}
}

/* Whoever made a subvolume meanwhile, and its qgroup first, is through after that. */
static int wait_for_commit(int fd)
{
	uint64_t transaction;

	return ioctl(fd, BTRFS_IOC_START_SYNC, &transaction) < 0 ||
			       ioctl(fd, BTRFS_IOC_WAIT_SYNC, &transaction) < 0
		       ? -errno
		       : 0;
}

void quota_sweep(int fd)
{
	struct stale s = {};
	uint64_t flags;

	if (status_flags(fd, &flags) < 0 || !(flags & BTRFS_QGROUP_STATUS_FLAG_ON) ||
		flags & (BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT | BTRFS_QGROUP_STATUS_FLAG_RESCAN |
				SIMPLE_MODE))
		return;
	look_for_stale(fd, &s);
	if (s.old == 0 || wait_for_commit(fd) < 0)
		return;
	for (size_t i = 0; i < s.old; i++) {
		struct btrfs_ioctl_qgroup_create_args args = { .qgroupid = s.at[i] };

		if (!has_subvolume(fd, s.at[i]) && ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0)
			return;
	}
}
