/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/stats/diskuse.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "storage/projquota.h"
#include "storage/qgroups.h"

struct diskuse {
	int pool;
	bool btrfs;
	struct qgroups_use *at; /* sorted by subvolume */
	size_t n, allocated;
};

/* --- btrfs --- */

static void add(const struct qgroups_use *use, void *userdata)
{
	struct diskuse *d = userdata;

	if (d->n == d->allocated) {
		d->allocated = d->allocated ? d->allocated * 2 : 256;
		d->at = xrealloc(d->at, d->allocated, sizeof(*d->at));
	}
	d->at[d->n++] = *use;
}

static int compare(const void *a, const void *b)
{
	const struct qgroups_use *x = a, *y = b;

	return (x->subvolume > y->subvolume) - (x->subvolume < y->subvolume);
}

static int64_t of_subvolume(const struct diskuse *d, int root)
{
	struct btrfs_ioctl_ino_lookup_args args = { .objectid = BTRFS_FIRST_FREE_OBJECTID };
	const struct qgroups_use *found;
	struct qgroups_use key;

	if (ioctl(root, BTRFS_IOC_INO_LOOKUP, &args) < 0)
		return -1;
	key.subvolume = args.treeid;
	found = bsearch(&key, d->at, d->n, sizeof(*d->at), compare);
	return found ? (int64_t)found->referenced : -1;
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
		qgroups_each(d->pool, add, d);
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
	return d->btrfs ? of_subvolume(d, root) : projquota_use(root, c->spec.id_base);
}
