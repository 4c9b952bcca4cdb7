/* SPDX-License-Identifier: GPL-2.0-or-later */
/* <Pool>/containers has a directory for each container: rootfs, snapshots/NAME, and names with a
 * dot for what is in the making (.new-…), on its way out (.trash-…) or part of an exchange of
 * roots (storage/swap.h). What can be named without a dot is whole.
 *
 * So each step can be made again after a kill: if its end is there it has nothing to do, else it
 * goes on with, or clears, what lies under the dotted name. Making is: build beside, make
 * durable, rename, make the name durable; removing is: rename, then delete. How trees are
 * cloned, sealed, limited and removed is the driver's (pool_btrfs, pool_dir); where it copies
 * file by file the limit is set before the first file, since what is there before isn't counted.
 *
 * Nothing is locked here: that one operation at a time has a container is the engine's doing. */
#include "storage/pool.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "storage/diskerr.h"
#include "storage/hostfile.h"
#include "storage/identity.h"
#include "storage/image.h"
#include "storage/imagestore.h"
#include "storage/path.h"
#include "storage/projquota.h"
#include "storage/swap.h"
#include "storage/treesize.h"

#define ROOTFS    "rootfs"
#define SNAPSHOTS "snapshots"
#define BASE      ".base"
#define FILES_MAX 10000000
#define NAME_SIZE 128 /* of a snapshot or container, and a prefix */

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_dir(int at, const char *name, mode_t mode, int *ret)
{
	int fd;

	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = open_dir(at, name);
	if (fd < 0)
		return fd;
	if (fchmod(fd, mode) < 0) { /* whatever the umask made of it */
		closefd(fd);
		return -errno;
	}
	*ret = fd;
	return 0;
}

static bool is_there(int at, const char *name)
{
	return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* fsync of a directory: its names are durable then. */
static int settle(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

static void name_of(const char *prefix, const char *id, char ret[static NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, "%s%s", prefix, id);
}

/* --- the pool itself --- */

static const struct pool_driver *choose(int fd, const char *name)
{
	struct statfs fs;
	bool btrfs = fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;

	if (strcmp(name, "auto") == 0)
		return btrfs ? &pool_btrfs : &pool_dir;
	if (strcmp(name, "btrfs") == 0)
		return btrfs ? &pool_btrfs : NULL;
	return strcmp(name, "dir") == 0 ? &pool_dir : NULL;
}

static int open_containers(struct pool *p)
{
	_cleanup_(freep) char *path = xasprintf("%s/containers", p->path);
	_cleanup_(closep) int mount = -1;

	return path_open_tree(path, &p->containers, &mount);
}

int pool_open(const char *path, const char *driver, struct pool *ret, struct err *err)
{
	struct pool p = { .fd = -1, .containers = -1, .images = -1 };
	int r = 0;

	if (strlen(path) >= sizeof(p.path))
		return err_set(err, -ENAMETOOLONG, ERR_CONFIG, "Storage.Pool",
			"the pool's path is too long");
	strcpy(p.path, path);
	p.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p.fd < 0)
		r = -errno;
	if (r >= 0)
		r = open_containers(&p);
	if (r == -ENOENT)
		(void)err_set(err, r, ERR_INTERNAL, "Storage.Pool",
			"the pool %s has no directory containers: its file system is not mounted, "
			"or it has lost what it had",
			path);
	if (r >= 0)
		r = make_dir(p.fd, "images", 0700, &p.images);
	if (r >= 0) {
		p.driver = choose(p.fd, driver);
		if (p.driver) {
			*ret = p;
			return 0;
		}
		r = err_set(err, -ENOTSUP, ERR_CONFIG, "Storage.Driver",
			"the pool %s lies on no file system that the %s driver can use", path,
			driver);
		pool_close(&p);
		return r;
	}
	pool_close(&p);
	return r == -ENOENT ? r
			    : err_set(err, r, ERR_INTERNAL, "Storage.Pool",
				      "the pool %s can't be used: %s", path, strerror(-r));
}

void pool_close(struct pool *p)
{
	p->images = closefd(p->images);
	p->containers = closefd(p->containers);
	p->fd = closefd(p->fd);
}

static struct treecopy copy_of(struct pool *p, int from)
{
	return (struct treecopy){
		.from = from, .to = -1, .progress = p->progress, .userdata = p->userdata
	};
}

static int clone_tree(struct pool *p, int from, int at, const char *name,
	const struct pool_hold *hold, struct err *err)
{
	struct treecopy t = copy_of(p, from);
	int r = p->driver->clone(&t, at, name, hold, err);

	p->bytes = t.allocated;
	return r;
}

static int limit_refused(const struct pool *p, int r, struct err *err)
{
	if (r == -ENOTSUP)
		return err_set(err, r, ERR_LIMIT_NOT_SUPPORTED, "limits.disk_bytes",
			"the pool's file system has no quotas: %s",
			p->driver == &pool_dir ? "it needs xfs or ext4, mounted with prjquota"
					       : "btrfs refuses them");
	return r < 0 ? diskerr_set(err, r, "the disk limit can't be set") : 0;
}

static int limit(struct pool *p, int dir, const char *name, struct err *err)
{
	_cleanup_(closep) int tree = -1, root = -1;
	struct quota q = p->quota;

	if (q.bytes == 0)
		return 0;
	tree = open_dir(dir, name);
	root = strcmp(name, ROOTFS) == 0 ? -1 : open_dir(dir, ROOTFS);
	if (root >= 0)
		q.project = projquota_beside(root, q.project);
	return limit_refused(p, tree < 0 ? tree : p->driver->limit(tree, &q), err);
}

/* A tree that is to be a container's root. What is in a directory before its limit is not counted,
 * and a subvolume has none before it is there. One that is there already gets it again: who made it
 * may have been killed before. */
static int clone_root(struct pool *p, int from, int dir, const char *name,
	const struct pool_hold *hold, struct err *err)
{
	int r = 0;

	if (!p->driver->instant && p->quota.bytes > 0) {
		r = is_there(dir, name) ? 0 : p->driver->make(dir, name);
		if (r < 0)
			return diskerr_set(err, r, "can't make the root");
		r = limit(p, dir, name, err);
	}
	if (r >= 0)
		r = clone_tree(p, from, dir, name, hold, err);
	return r >= 0 && p->driver->instant ? limit(p, dir, name, err) : r;
}

static int open_container(struct pool *p, const char *id, struct err *err)
{
	int fd = open_dir(p->containers, id);

	return fd < 0 ? diskerr_set(err, fd, "the container's root can't be opened") : fd;
}

static int open_tree(int dir, const char *name, struct err *err)
{
	int fd = open_dir(dir, name);

	return fd < 0 ? diskerr_set(err, fd, "a tree of the pool can't be opened") : fd;
}

/* --- the making of a container's directory --- */

/* .new-<id>, 0710 and its group's; what a killed predecessor left in it is there still. */
static int open_staging(struct pool *p, const struct pool_root *root, int *ret, struct err *err)
{
	char staging[NAME_SIZE];
	int r;

	name_of(".new-", root->id, staging);
	r = make_dir(p->containers, staging, 0700, ret);
	if (r >= 0 && (fchown(*ret, 0, root->id_base) < 0 || fchmod(*ret, 0710) < 0))
		r = -errno;
	return r < 0 ? diskerr_set(err, r, "can't make the container's directory") : 0;
}

/* Made by a predecessor, who may have been killed before its name was durable. */
static int was_made(int dir, struct err *err)
{
	int r = settle(dir);

	return r < 0 ? diskerr_set(err, r, "what is there already can't be made durable") : 0;
}

static int publish(struct pool *p, const char *id, int dir, struct err *err)
{
	char staging[NAME_SIZE];
	int r = syncfs(dir) < 0 ? -errno : settle(dir);

	name_of(".new-", id, staging);
	if (r >= 0 && renameat(p->containers, staging, p->containers, id) < 0)
		r = -errno;
	if (r >= 0)
		r = settle(p->containers);
	return r < 0 ? diskerr_set(err, r, "the new root can't be made durable") : 0;
}

/* The ones that need no download are made; the others are cloned, and get a name of their own. */
static int fill_root(struct pool *p, const struct pool_root *root, int dir, struct err *err)
{
	_cleanup_(closep) int tree = -1, image = -1;
	int r = 0;

	if (root->digest) {
		image = imagestore_open(p, root->digest, err);
		r = image < 0 ? image : clone_root(p, image, dir, ROOTFS, NULL, err);
		tree = r < 0 ? r : open_tree(dir, ROOTFS, err);
		return tree < 0 ? tree : identity_refresh(tree, root->hostname, err);
	}
	r = p->driver->remove(dir, ROOTFS);
	if (r >= 0)
		r = p->driver->make(dir, ROOTFS);
	if (r >= 0)
		r = tree = open_dir(dir, ROOTFS);
	if (r < 0 || fchmod(tree, 0755) < 0)
		return diskerr_set(err, r < 0 ? r : -errno, "can't make the root");
	r = limit(p, dir, ROOTFS, err);
	if (r < 0)
		return r;
	return image_unpack(root->image, tree, root->hostname, err);
}

int pool_create_root(struct pool *p, const struct pool_root *root, struct err *err)
{
	_cleanup_(closep) int dir = -1;
	int r;

	if (is_there(p->containers, root->id))
		return was_made(p->containers, err);
	r = open_staging(p, root, &dir, err);
	if (r >= 0)
		r = fill_root(p, root, dir, err);
	return r < 0 ? r : publish(p, root->id, dir, err);
}

/* --- removal --- */

static int remove_trees(struct pool *p, int dir)
{
	static const char *const trees[] = { ROOTFS, BASE, SWAP_BUILDING, ".next", ".previous",
		".trash" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < countof(trees); i++)
		r = p->driver->remove(dir, trees[i]);
	return r;
}

static int each_name(
	int dir, void *userdata, int (*each)(int dir, const char *name, void *userdata))
{
	struct path_names names = {};
	int r = path_list(dir, &names);

	for (size_t i = 0; r >= 0 && i < names.n; i++)
		r = each(dir, names.at[i], userdata);
	path_names_done(&names);
	return r;
}

static int remove_one(int dir, const char *name, void *userdata)
{
	const struct pool *p = userdata;

	return p->driver->remove(dir, name);
}

/* Trees first, by the driver; then what is left. */
static int remove_container(struct pool *p, const char *name)
{
	_cleanup_(closep) int dir = open_dir(p->containers, name), snapshots = -1;
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	snapshots = open_dir(dir, SNAPSHOTS);
	r = snapshots < 0 ? 0 : each_name(snapshots, p, remove_one);
	if (r >= 0)
		r = remove_trees(p, dir);
	return r < 0 ? r : path_remove_tree(p->containers, name);
}

int pool_limit_root(struct pool *p, const char *id, struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err), tree = -1;

	if (dir < 0)
		return dir;
	tree = open_dir(dir, ROOTFS);
	return limit_refused(p, tree < 0 ? tree : p->driver->change_limit(tree, &p->quota), err);
}

int pool_remove_root(struct pool *p, const char *id, struct err *err)
{
	char staging[NAME_SIZE], trash[NAME_SIZE];
	int r;

	name_of(".new-", id, staging);
	name_of(".trash-", id, trash);
	r = remove_container(p, trash);
	if (r >= 0 && renameat(p->containers, id, p->containers, trash) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0)
		r = remove_container(p, trash);
	if (r >= 0)
		r = remove_container(p, staging);
	if (r >= 0)
		r = settle(p->containers);
	return r < 0 ? diskerr_set(err, r, "the root can't be removed") : 0;
}

/* --- snapshots --- */

/* A tree under its name: whole, sealed and durable, or not there. */
static int put_snapshot(struct pool *p, int from, int snapshots, const char *name,
	const struct pool_hold *hold, struct err *err)
{
	char staging[NAME_SIZE];
	int r;

	name_of(".new-", name, staging);
	if (is_there(snapshots, name)) {
		r = p->driver->seal(snapshots, name);
		return r < 0 ? diskerr_set(err, r, "the snapshot can't be sealed")
			     : was_made(snapshots, err);
	}
	r = clone_tree(p, from, snapshots, staging, hold, err);
	if (r < 0)
		return r;
	r = syncfs(snapshots) < 0 ? -errno : 0;
	if (r >= 0 && renameat(snapshots, staging, snapshots, name) < 0)
		r = -errno;
	if (r >= 0)
		r = p->driver->seal(snapshots, name);
	if (r >= 0)
		r = settle(snapshots);
	return r < 0 ? diskerr_set(err, r, "the snapshot can't be made durable") : 0;
}

/* One that was made by a predecessor, who has told nobody what it takes. */
static void measure(struct pool *p, int dir, const char *name)
{
	int64_t bytes;

	if (!p->driver->instant && treesize_run(open_dir(dir, name), FILES_MAX, &bytes) >= 0)
		p->bytes = (uint64_t)bytes;
}

int pool_snapshot(struct pool *p, const char *id, const char *name, const struct pool_hold *hold,
	struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err), snapshots = -1, tree = -1;
	bool was_there;
	int r;

	if (dir < 0)
		return dir;
	r = make_dir(dir, SNAPSHOTS, 0700, &snapshots);
	if (r < 0)
		return diskerr_set(err, r, "can't make the snapshots' directory");
	was_there = is_there(snapshots, name);
	tree = open_tree(dir, ROOTFS, err);
	r = tree < 0 ? tree : put_snapshot(p, tree, snapshots, name, hold, err);
	if (r >= 0 && was_there)
		measure(p, snapshots, name);
	return r;
}

int pool_remove_snapshot(struct pool *p, const char *id, const char *name, struct err *err)
{
	_cleanup_(closep) int dir = open_dir(p->containers, id), snapshots = -1;
	char staging[NAME_SIZE], trash[NAME_SIZE];
	int r;

	snapshots = dir < 0 ? dir : open_dir(dir, SNAPSHOTS);
	if (snapshots == -ENOENT)
		return 0;
	if (snapshots < 0)
		return diskerr_set(err, snapshots, "the snapshots can't be opened");
	name_of(".new-", name, staging);
	name_of(".trash-", name, trash);
	r = p->driver->remove(snapshots, trash);
	if (r >= 0 && renameat(snapshots, name, snapshots, trash) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0)
		r = p->driver->remove(snapshots, staging);
	if (r >= 0)
		r = settle(snapshots);
	if (r >= 0)
		(void)p->driver->remove(
			snapshots, trash); /* litter at worst: the snapshot is gone */
	return r < 0 ? diskerr_set(err, r, "the snapshot can't be removed") : 0;
}

/* --- copy --- */

struct copying {
	struct pool *p;
	int to; /* the copy's snapshots */
	struct err *err;
};

static int copy_snapshot(int dir, const char *name, void *userdata)
{
	const struct copying *c = userdata;
	_cleanup_(closep) int tree = -1;

	if (name[0] == '.')
		return 0; /* half-made */
	tree = open_tree(dir, name, c->err);
	return tree < 0 ? tree : put_snapshot(c->p, tree, c->to, name, NULL, c->err);
}

static int copy_snapshots(struct pool *p, int source, int dir, struct err *err)
{
	struct copying c = { .p = p, .err = err };
	_cleanup_(closep) int from = open_dir(source, SNAPSHOTS), to = -1;
	int r;

	if (from == -ENOENT)
		return 0;
	r = from < 0 ? from : make_dir(dir, SNAPSHOTS, 0700, &to);
	if (r < 0)
		return diskerr_set(err, r, "the snapshots can't be copied");
	c.to = to;
	return each_name(from, &c, copy_snapshot);
}

int pool_copy_root(struct pool *p, const struct pool_root *root, const char *source_id,
	const char *snapshot, const struct pool_hold *hold, struct err *err)
{
	_cleanup_(closep) int source = -1, snapshots = -1, from = -1, dir = -1, tree = -1;
	int r;

	if (is_there(p->containers, root->id))
		return was_made(p->containers, err);
	source = open_container(p, source_id, err);
	if (source < 0)
		return source;
	if (snapshot) {
		snapshots = open_tree(source, SNAPSHOTS, err);
		from = snapshots < 0 ? snapshots : open_tree(snapshots, snapshot, err);
	} else {
		from = open_tree(source, ROOTFS, err);
	}
	r = from < 0 ? from : open_staging(p, root, &dir, err);
	if (r >= 0)
		r = clone_root(p, from, dir, ROOTFS, snapshot ? NULL : hold, err);
	if (r >= 0)
		r = tree = open_tree(dir, ROOTFS, err);
	if (r >= 0)
		r = identity_refresh(tree, root->hostname, err);
	if (r >= 0)
		r = copy_snapshots(p, source, dir, err);
	return r < 0 ? r : publish(p, root->id, dir, err);
}

/* --- another root in its place --- */

static struct swap swap_of(const struct pool *p, int dir)
{
	return (struct swap){ .dir = dir, .name = ROOTFS, .driver = p->driver };
}

/* A container's own, to be replaced. Who has lost it has an empty one, with no identity to keep: a
 * restore is how it is had again. */
static int open_replaced(struct pool *p, int dir, struct err *err)
{
	int r = is_there(dir, ROOTFS) ? 0 : p->driver->make(dir, ROOTFS);

	return r < 0 ? diskerr_set(err, r, "can't make the root") : open_tree(dir, ROOTFS, err);
}

/* What identifies it stays what it is; of a snapshot of its own that is what it is called since. */
static int keep_identity(
	struct pool *p, int dir, const char *hostname, bool foreign, struct err *err)
{
	_cleanup_(closep) int own = open_replaced(p, dir, err), tree = -1;

	tree = own < 0 ? own : open_tree(dir, SWAP_BUILDING, err);
	if (tree < 0)
		return tree;
	return foreign ? identity_carry(own, tree, err) : hostfile_keep(own, tree, hostname, err);
}

int pool_restore(struct pool *p, const struct pool_root *root, const char *snapshot, bool foreign,
	struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, root->id, err), snapshots = -1, from = -1;
	struct swap s = swap_of(p, dir);
	int r = 0;

	if (dir < 0)
		return dir;
	if (swap_wants_build(&s)) {
		snapshots = open_tree(dir, SNAPSHOTS, err);
		from = snapshots < 0 ? snapshots : open_tree(snapshots, snapshot, err);
		r = from < 0 ? from : clone_root(p, from, dir, SWAP_BUILDING, NULL, err);
		if (r >= 0)
			r = keep_identity(p, dir, root->hostname, foreign, err);
	}
	return r < 0 ? r : swap_commit(&s, err);
}

/* From the base of the last time, where there is one, so that only what differs is written. */
int pool_sync_build(struct pool *p, const char *id, const char *source_id,
	const struct pool_hold *hold, struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err), source = -1, from = -1;
	struct swap s = swap_of(p, dir);

	if (dir < 0)
		return dir;
	if (!swap_wants_build(&s))
		return 0;
	source = open_container(p, source_id, err);
	from = source < 0 ? source : open_tree(source, ROOTFS, err);
	if (from < 0)
		return from;
	if (!is_there(dir, SWAP_BUILDING) && renameat(dir, BASE, dir, SWAP_BUILDING) < 0 &&
		errno != ENOENT)
		return diskerr_set(err, -errno, "the base of the last sync can't be used");
	return clone_root(p, from, dir, SWAP_BUILDING, hold, err);
}

int pool_sync(struct pool *p, const char *id, struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err);
	struct swap s = swap_of(p, dir);
	int r = 0;

	if (dir < 0)
		return dir;
	if (swap_wants_build(&s))
		r = keep_identity(p, dir, NULL, true, err);
	return r < 0 ? r : swap_commit(&s, err);
}

int pool_revert(struct pool *p, const char *id, struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err);
	struct swap s = swap_of(p, dir);

	return dir < 0 ? dir : swap_revert(&s, err);
}

int pool_settle(struct pool *p, const char *id, bool keep_base, struct err *err)
{
	_cleanup_(closep) int dir = open_container(p, id, err);
	struct swap s = swap_of(p, dir);
	int r;

	if (dir < 0)
		return dir;
	/* What was a base has become the root; on an instant driver there is nothing to save; and
	 * it would count against the limit of the root that is made next, of its project. */
	keep_base = keep_base && !p->driver->instant && p->quota.bytes == 0 && !is_there(dir, BASE);
	r = keep_base ? 0 : p->driver->remove(dir, BASE);
	return r < 0 ? diskerr_set(err, r, "an old base can't be removed")
		     : swap_settle(&s, keep_base ? BASE : NULL, err);
}
