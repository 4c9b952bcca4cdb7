/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees as subvolumes of btrfs(5): a clone is a snapshot, whatever the size. */
#include <btrfsutil.h>
#include <fcntl.h>

#include "storage/diskerr.h"
#include "storage/path.h"
#include "storage/pool_driver.h"

static int failed(enum btrfs_util_error e)
{
	return e == BTRFS_UTIL_OK ? 0 : errno ? -errno : -EIO;
}

static int open_tree(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make(int at, const char *name)
{
	return failed(btrfs_util_create_subvolume_fd(at, name, 0, NULL, NULL));
}

/* A container's root can make subvolumes in its own, unless its system call policy keeps it from
 * it. Only a sealed tree with one in it is made writable: that alone takes fifty times as long as
 * the removal, since it ends a transaction (btrfs_ioctl_subvol_setflags). */
static int remove_tree(int at, const char *name)
{
	_cleanup_(closep) int fd = open_tree(at, name);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (btrfs_util_is_subvolume_fd(fd) != BTRFS_UTIL_OK)
		return path_remove_tree(at, name);
	r = failed(btrfs_util_delete_subvolume_fd(at, name, 0));
	if (r != -ENOTEMPTY)
		return r;
	(void)btrfs_util_set_subvolume_read_only_fd(fd, false);
	return failed(
		btrfs_util_delete_subvolume_fd(at, name, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE));
}

/* The kernel writes out what is dirty file by file before it makes a snapshot, while others write
 * on: without a hold one file may be of a later moment than another. Most of it goes out before, so
 * that the hold is short. */
static int snapshot(int tree, int at, const char *name, const struct pool_hold *hold)
{
	int r;

	if (hold) {
		(void)syncfs(tree);
		hold->freeze(hold->userdata);
	}
	r = failed(btrfs_util_create_snapshot_fd2(tree, at, name, 0, NULL, NULL));
	if (hold)
		hold->thaw(hold->userdata);
	return r;
}

static int clone_tree(
	struct treecopy *t, int at, const char *name, const struct pool_hold *hold, struct err *err)
{
	_cleanup_(closep) int to = -1;
	int r = remove_tree(at, name);

	if (r >= 0 && btrfs_util_is_subvolume_fd(t->from) == BTRFS_UTIL_OK) {
		r = snapshot(t->from, at, name, hold);
		if (r >= 0)
			return 0;
	} else if (r >= 0) { /* a root of before the pool had this driver */
		r = make(at, name);
		r = r < 0 ? r : open_tree(at, name);
		if (r >= 0) {
			t->to = to = r;
			return pool_dir.clone(t, at, name, hold, err);
		}
	}
	return diskerr_set(err, r, "btrfs can't make a snapshot");
}

static int seal(int at, const char *name)
{
	_cleanup_(closep) int fd = open_tree(at, name);

	if (fd < 0)
		return fd;
	return btrfs_util_is_subvolume_fd(fd) == BTRFS_UTIL_OK
		       ? failed(btrfs_util_set_subvolume_read_only_fd(fd, true))
		       : 0;
}

static int identify(int tree, uint64_t *ret)
{
	if (btrfs_util_is_subvolume_fd(tree) != BTRFS_UTIL_OK)
		return pool_dir.identify(tree, ret);
	return failed(btrfs_util_subvolume_id_fd(tree, ret));
}

const struct pool_driver pool_btrfs = { "btrfs", make, clone_tree, remove_tree, seal,
	quota_limit_subvolume, quota_limit_subvolume, identify, true };
