/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/ramdisk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "storage/path.h"
#include "storage/ramlimit.h"
#include "storage/treesize.h"

#define DEVICES_SIZE "1m"
#define WALK_MAX     1000000 /* files that are looked at */
#define OPEN_DIR     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int fail(struct err *err, int r, const char *what)
{
	return err_set(err, r, r == -ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, "Node.RuntimeDirectory",
		"%s: %s", what, strerror(-r));
}

/* One worker at a time makes or removes one. */
static int lock(const char *run)
{
	_cleanup_(closep) int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : take_fd(&fd);
}

static int make_point(int at, const char *name, int *ret)
{
	if (mkdirat(at, name, 0500) < 0 && errno != EEXIST)
		return -errno;
	*ret = openat(at, name, OPEN_DIR);
	return *ret < 0 ? -errno : 0;
}

static int make_dir(int at, const char *name, mode_t mode, int *ret)
{
	int r = make_point(at, name, ret);

	if (r >= 0 && fchmod(*ret, mode) < 0)
		r = -errno;
	return r;
}

/* The tmpfs of all devices, mounted if it is not. */
static int open_devices(int run_fd, const char *run)
{
	_cleanup_(freep) char *path = xasprintf("%s/devices", run);
	_cleanup_(closep) int fd = -1;
	int r = make_dir(run_fd, "devices", 0711, &fd);

	if (r < 0)
		return r;
	if (ramlimit_is_mounted(run_fd, fd))
		return take_fd(&fd);
	if (mount(RAMLIMIT_SOURCE, path, "tmpfs", MS_NOSUID | MS_NOEXEC,
		    "mode=0711,size=" DEVICES_SIZE) < 0)
		return -errno;
	closep(&fd);
	fd = openat(run_fd, "devices", OPEN_DIR);
	return fd < 0 ? -errno : take_fd(&fd);
}

/* --- the making --- */

/* An older agent's has no mount of its own, but its owner and mode. */
static bool is_there(int folder, int own, uint32_t owner, mode_t mode)
{
	struct stat st;

	return ramlimit_is_mounted(folder, own) ||
	       (fstat(own, &st) == 0 && st.st_uid == owner && (st.st_mode & 07777) == mode);
}

/* @made: set when it was not there. */
static int make_one(int top, const char *folder, const char *name, uint32_t owner, mode_t mode,
	int *ret, bool *made)
{
	_cleanup_(closep) int all = -1;
	int r = make_dir(top, folder, 0711, &all);

	if (r >= 0)
		r = make_point(all, name, ret);
	if (r < 0 || is_there(all, *ret, owner, mode))
		return r;
	r = ramlimit_mount(all, name, owner, mode);
	if (r < 0)
		return r;
	*made = true;
	closefd(*ret);
	*ret = openat(all, name, OPEN_DIR);
	return *ret < 0 ? -errno : 0;
}

int ramdisk_prepare(
	const char *run, const char *id, uint32_t id_base, const char *project_id, struct err *err)
{
	_cleanup_(closep) int run_fd = lock(run), top = -1, own = -1, shared = -1, point = -1;
	bool made = false;
	int r = run_fd;

	if (r >= 0)
		r = make_dir(run_fd, "ramdisk", 0711, &top);
	if (r >= 0 && ramlimit_is_mounted(run_fd, top))
		ramlimit_renew(top, true); /* for its directories there */
	if (r >= 0)
		r = make_one(top, "c", id, id_base, 0700, &own, &made);
	if (r >= 0 && project_id)
		r = make_one(top, "p", project_id, 0, 01777, &shared, &made);
	if (r >= 0 && made) /* a look at all of them: not for one that was stopped */
		ramlimit_renew(top, ramlimit_is_mounted(run_fd, top));
	if (r >= 0 && project_id) /* where its project's is mounted, or nothing is */
		(void)!make_dir(own, "project", 0755, &point);
	return r < 0 ? fail(err, r, "the container's ramdisk can't be made") : 0;
}

void ramdisk_renew(const char *run)
{
	_cleanup_(closep) int run_fd = lock(run), top = -1;

	if (run_fd >= 0)
		top = openat(run_fd, "ramdisk", OPEN_DIR);
	if (top >= 0)
		ramlimit_renew(top, ramlimit_is_mounted(run_fd, top));
}

int ramdisk_make_device(
	const char *run, const char *id, uint32_t id_base, dev_t device, struct err *err)
{
	_cleanup_(closep) int run_fd = lock(run), top = -1;
	int r = run_fd;

	if (r >= 0)
		r = top = open_devices(run_fd, run);
	if (r >= 0 && mknodat(top, id, S_IFCHR | 0600, device) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0 && fchownat(top, id, id_base, id_base, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? fail(err, r, "the container's device can't be made") : 0;
}

/* --- the end --- */

/* What may be mounted goes, and with it the directory. */
static int unmount(const char *path)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		return -errno;
	return rmdir(path) < 0 ? -errno : 0;
}

/* A container can have locked a copy of it away: what that has is nothing, and gets no more. */
static int remove_mounted(int dir, const char *path, const char *name)
{
	_cleanup_(closep) int own = openat(dir, name, OPEN_DIR);
	int r;

	if (own < 0 || !ramlimit_is_mounted(dir, own))
		return path_remove_tree(dir, name);
	r = path_remove_tree(dir, name);
	if (r < 0 && r != -EBUSY) /* it is a mount point */
		return r;
	ramlimit_seal(own);
	return unmount(path);
}

/* Remove @name of @folder, and the folder with its last. */
static int remove_one(int top, const char *run, const char *folder, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/ramdisk/%s/%s", run, folder, name);
	_cleanup_(closep) int dir = openat(top, folder, OPEN_DIR);
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = remove_mounted(dir, path, name);
	if (r >= 0 && unlinkat(top, folder, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		r = -errno;
	return r;
}

static int remove_if_empty(const char *run, const char *name, int top)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", run, name);
	struct path_names names = {};
	bool empty = path_list(top, &names) == 0 && names.n == 0;

	path_names_done(&names);
	return empty ? unmount(path) : 0;
}

static int remove_disks(
	int run_fd, const char *run, int top, const char *id, const char *project_id)
{
	int r = id ? remove_one(top, run, "c", id) : 0;

	if (r >= 0 && project_id)
		r = remove_one(top, run, "p", project_id);
	ramlimit_renew(top, ramlimit_is_mounted(run_fd, top));
	return r < 0 ? r : remove_if_empty(run, "ramdisk", top);
}

int ramdisk_remove(const char *run, const char *id, const char *project_id, struct err *err)
{
	_cleanup_(closep) int run_fd = lock(run), disks = -1, devices = -1;
	int r = MIN_OF(run_fd, 0);

	disks = r < 0 ? -1 : openat(run_fd, "ramdisk", OPEN_DIR);
	devices = r < 0 ? -1 : openat(run_fd, "devices", OPEN_DIR);
	if (disks >= 0)
		r = remove_disks(run_fd, run, disks, id, project_id);
	if (r >= 0 && id && devices >= 0 && ramlimit_is_mounted(run_fd, devices)) {
		if (unlinkat(devices, id, 0) < 0 && errno != ENOENT)
			r = -errno;
		if (r >= 0)
			r = remove_if_empty(run, "devices", devices);
	}
	return r < 0 ? fail(err, r, "the container's ramdisk can't be removed") : 0;
}

/* --- how much --- */

/* Of a directory and all below it; -1: can't be told. Takes @fd. */
static int64_t measure(int fd)
{
	int64_t bytes;

	return treesize_run(fd, WALK_MAX, &bytes) < 0 ? -1 : bytes;
}

void ramdisk_measure(
	const char *run, const char *id, const char *project_id, struct ramdisk_usage *ret)
{
	_cleanup_(freep) char *path = xasprintf("%s/ramdisk/c/%s", run, id),
			      *project = xasprintf(
				      "%s/ramdisk/p/%s", run, project_id ? project_id : "");
	_cleanup_(closep) int own = open(path, OPEN_DIR);
	int secrets = own < 0 ? -1 : openat(own, "secrets", OPEN_DIR);

	*ret = (struct ramdisk_usage){
		.private = own < 0 ? -1 : measure(openat(own, ".", OPEN_DIR)),
		.secrets =
			own >= 0 && secrets < 0 ? 0 : measure(secrets), /* none, or no directory */
		.project = project_id ? measure(open(project, OPEN_DIR)) : -1,
	};
}
