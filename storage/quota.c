/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/quota.h"

#include <btrfsutil.h>
#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>

#include "storage/qgroups.h"

#define SWEEP_MAX   1000
#define SIMPLE_MODE (1ULL << 3) /* qgroups outlive their subvolumes there: btrfs(5) */

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
		return r == -ENOTCONN || r == -ENOENT || quota_is_off(r) ? 0 : r;
	if (r == -ENOTCONN) { /* quotas are off */
		r = turn_on(subvolume);
		if (r >= 0)
			r = limit(subvolume, id, q->bytes);
	}
	return quota_is_off(r) ? -ENOTSUP : r;
}

/* The first item of an object's of that type. Returns 1; 0 when there is none. */
static int look_up(
	int fd, uint64_t tree, uint64_t object, uint32_t type, struct btrfs_ioctl_search_args *ret)
{
	*ret = (struct btrfs_ioctl_search_args){ .key = { .tree_id = tree,
							 .min_objectid = object,
							 .max_objectid = object,
							 .min_type = type,
							 .max_type = type,
							 .max_offset = UINT64_MAX,
							 .max_transid = UINT64_MAX,
							 .nr_items = 1 } };
	return ioctl(fd, BTRFS_IOC_TREE_SEARCH, ret) < 0 ? -errno : ret->key.nr_items > 0;
}

/* The quota tree's own item, of which there is one: (0, BTRFS_QGROUP_STATUS_KEY, 0). */
static int status_flags(int fd, uint64_t *ret)
{
	struct btrfs_ioctl_search_args args;
	struct btrfs_ioctl_search_header h;
	struct btrfs_qgroup_status_item item;
	int r = look_up(fd, BTRFS_QUOTA_TREE_OBJECTID, 0, BTRFS_QGROUP_STATUS_KEY, &args);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	memcpy(&h, args.buf, sizeof(h));
	if (h.len < offsetof(struct btrfs_qgroup_status_item, rescan))
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
		return r == -ENOENT || quota_is_off(r) ? 0
						       : r; /* quotas are off, or it isn't btrfs */
	if (!(flags & BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT) ||
		(flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN))
		return 0;
	if (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &args) < 0)
		return errno == EINPROGRESS ? 0 : -errno;
	return 1;
}

/* --- of subvolumes that are gone --- */

struct stale {
	int fd;
	uint64_t at[SWEEP_MAX];
	size_t n;
	size_t old; /* so many are below one that lives; an id above all may be the next one's */
};

/* One that is deleted has its item until all of it is gone. What can't be told is a yes. */
static bool has_subvolume(int fd, uint64_t id)
{
	struct btrfs_ioctl_search_args args;

	return look_up(fd, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_ITEM_KEY, &args) != 0;
}

static void judge(const struct qgroups_use *use, void *userdata)
{
	struct stale *s = userdata;

	if (has_subvolume(s->fd, use->subvolume))
		s->old = s->n;
	else if (use->referenced == 0 && use->exclusive == 0 && s->n < SWEEP_MAX)
		s->at[s->n++] = use->subvolume;
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
	struct stale s = { .fd = fd };
	uint64_t flags;

	if (status_flags(fd, &flags) < 0 || !(flags & BTRFS_QGROUP_STATUS_FLAG_ON) ||
		flags & (BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT | BTRFS_QGROUP_STATUS_FLAG_RESCAN |
				SIMPLE_MODE))
		return;
	qgroups_each(fd, judge, &s);
	if (s.old == 0 || wait_for_commit(fd) < 0)
		return;
	for (size_t i = 0; i < s.old; i++) {
		struct btrfs_ioctl_qgroup_create_args args = { .qgroupid = s.at[i] };

		if (!has_subvolume(fd, s.at[i]) && ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0)
			return;
	}
}
