/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/diskuse.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define BUFFER_SIZE 65536
#define BLOCK       1024

struct usage {
	uint64_t subvolume;
	int64_t bytes;
};

struct diskuse {
	int pool;
	bool btrfs;
	struct usage *at; /* sorted by subvolume */
	size_t n, allocated;
};

/* --- btrfs --- */

static void add(struct diskuse *d, uint64_t subvolume, int64_t bytes)
{
	if (d->n == d->allocated) {
		d->allocated = d->allocated ? d->allocated * 2 : 256;
		d->at = xrealloc(d->at, d->allocated, sizeof(*d->at));
	}
	d->at[d->n++] = (struct usage){ subvolume, bytes };
}

/* Items of the quota tree: (0, BTRFS_QGROUP_INFO_KEY, qgroupid), and at level 0 a qgroup's id is
 * its subvolume's. They come sorted. */
static void search(struct diskuse *d)
{
	_cleanup_(freep) struct btrfs_ioctl_search_args_v2 *args =
		xcalloc(1, sizeof(*args) + BUFFER_SIZE);
	struct btrfs_ioctl_search_key *k = &args->key;

	*k = (struct btrfs_ioctl_search_key){ .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
		.min_type = BTRFS_QGROUP_INFO_KEY,
		.max_type = BTRFS_QGROUP_INFO_KEY,
		.max_offset = (1ULL << 48) - 1,
		.max_transid = UINT64_MAX };
	for (;;) {
		const char *at = (const char *)args->buf;

		k->nr_items = UINT32_MAX;
		args->buf_size = BUFFER_SIZE;
		if (ioctl(d->pool, BTRFS_IOC_TREE_SEARCH_V2, args) < 0 || k->nr_items == 0)
			return;
		for (uint32_t i = 0; i < k->nr_items; i++) {
			struct btrfs_ioctl_search_header h;
			struct btrfs_qgroup_info_item info;

			memcpy(&h, at, sizeof(h));
			if (h.len >= sizeof(info)) {
				memcpy(&info, at + sizeof(h), sizeof(info));
				add(d, h.offset, (int64_t)le64toh(info.rfer));
			}
			at += sizeof(h) + h.len;
			k->min_offset = h.offset + 1;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct usage *x = a, *y = b;

	return (x->subvolume > y->subvolume) - (x->subvolume < y->subvolume);
}

static int64_t of_subvolume(const struct diskuse *d, int root)
{
	struct btrfs_ioctl_ino_lookup_args args = { .objectid = BTRFS_FIRST_FREE_OBJECTID };
	const struct usage *found;
	struct usage key;

	if (ioctl(root, BTRFS_IOC_INO_LOOKUP, &args) < 0)
		return -1;
	key.subvolume = args.treeid;
	found = bsearch(&key, d->at, d->n, sizeof(*d->at), compare);
	return found ? found->bytes : -1;
}

/* --- project quotas --- */

static int64_t of_project(int root, uint32_t project)
{
	struct if_dqblk q;

	if (syscall(SYS_quotactl_fd, root, QCMD((unsigned)Q_GETQUOTA, PRJQUOTA), project, &q) < 0)
		return -1;
	return q.dqb_bhardlimit > 0 ? (int64_t)q.dqb_curspace : -1; /* else nothing counts for it */
}

/* --- */

struct diskuse *diskuse_look(const struct agent *a)
{
	_cleanup_(freep) char *path = xasprintf("%s/containers", a->conf.storage.pool);
	struct diskuse *d = xcalloc(1, sizeof(*d));
	struct statfs fs;

	d->pool = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->btrfs = d->pool >= 0 && fstatfs(d->pool, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
	if (d->btrfs)
		search(d);
	return d;
}

struct diskuse *diskuse_free(struct diskuse *d)
{
	if (d) {
		closefd(d->pool);
		free(d->at);
		free(d);
	}
	return NULL;
}

int64_t diskuse_of(const struct diskuse *d, const struct container *c)
{
	char path[IDENT_ID_LEN + sizeof("/rootfs")];
	_cleanup_(closep) int root = -1;

	if (d->pool < 0 || (d->btrfs && d->n == 0))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/rootfs", c->spec.id);
	root = openat(d->pool, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return -1;
	return d->btrfs ? of_subvolume(d, root) : of_project(root, c->spec.id_base);
}
