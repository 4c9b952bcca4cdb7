/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/ramdisk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>

#include "storage/path.h"
#include "storage/treesize.h"

#define SOURCE       "hoody-ramdisk" /* what mounts of it are called, for who looks at the list */
#define CEILING      (512LL << 20)
#define DEVICES_SIZE "1m"
#define WALK_MAX     1000000 /* files that are looked at */
#define OPEN_DIR     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int64_t ceiling_bytes(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? CEILING : MIN_OF(CEILING, (int64_t)si.totalram * si.mem_unit / 2);
}

static int fail(struct err *err, int r, const char *what)
{
	return err_set(err, r, r == -ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, "Node.RuntimeDirectory",
		"%s: %s", what, strerror(-r));
}

/* One worker at a time makes or removes a top. */
static int lock(const char *run)
{
	_cleanup_(closep) int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : take_fd(&fd);
}

static bool is_mounted(int parent, int top)
{
	struct stat a, b;
	struct statfs fs;

	return fstat(parent, &a) == 0 && fstat(top, &b) == 0 && a.st_dev != b.st_dev &&
	       fstatfs(top, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* The tmpfs, mounted if it is not. */
static int open_top(
	int run_fd, const char *run, const char *name, unsigned long flags, const char *options)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", run, name);
	_cleanup_(closep) int fd = -1;

	if (mkdirat(run_fd, name, 0711) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (is_mounted(run_fd, fd))
		return take_fd(&fd);
	if (mount(SOURCE, path, "tmpfs", flags, options) < 0)
		return -errno;
	closep(&fd);
	fd = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : take_fd(&fd);
}

static int make_dir(int at, const char *name, mode_t mode, int *ret)
{
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -errno;
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 || fchmod(*ret, mode) < 0 ? -errno : 0;
}

static int make_container(int top, const char *id, uint32_t id_base, bool project)
{
	_cleanup_(closep) int all = -1, own = -1, inner = -1;
	int r = make_dir(top, "c", 0711, &all);

	if (r >= 0)
		r = make_dir(all, id, 0700, &own);
	if (r >= 0 && fchown(own, id_base, id_base) < 0)
		r = -errno;
	if (r >= 0 && project) /* where its project's is mounted */
		r = make_dir(own, "project", 0755, &inner);
	return r;
}

static int make_project(int top, const char *project_id)
{
	_cleanup_(closep) int all = -1, own = -1;
	int r = make_dir(top, "p", 0711, &all);

	return r < 0 ? r : make_dir(all, project_id, 01777, &own);
}

int ramdisk_prepare(
	const char *run, const char *id, uint32_t id_base, const char *project_id, struct err *err)
{
	_cleanup_(freep) char *options = xasprintf("mode=0711,size=%lld,nr_inodes=%lld",
		(long long)ceiling_bytes(), (long long)ceiling_bytes() / 4096);
	_cleanup_(closep) int run_fd = lock(run), top = -1;
	int r = run_fd;

	if (r >= 0)
		r = top = open_top(run_fd, run, "ramdisk", MS_NOSUID | MS_NODEV, options);
	if (r >= 0)
		r = make_container(top, id, id_base, project_id != NULL);
	if (r >= 0 && project_id)
		r = make_project(top, project_id);
	return r < 0 ? fail(err, r, "the container's ramdisk can't be made") : 0;
}

int ramdisk_make_device(
	const char *run, const char *id, uint32_t id_base, dev_t device, struct err *err)
{
	_cleanup_(closep) int run_fd = lock(run), top = -1;
	int r = run_fd;

	if (r >= 0)
		r = top = open_top(run_fd, run, "devices", MS_NOSUID | MS_NOEXEC,
			"mode=0711,size=" DEVICES_SIZE);
	if (r >= 0 && mknodat(top, id, S_IFCHR | 0600, device) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0 && fchownat(top, id, id_base, id_base, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? fail(err, r, "the container's device can't be made") : 0;
}

/* --- the end --- */

static bool is_empty(int dir)
{
	struct path_names names = {};
	bool empty = path_list(dir, &names) == 0 && names.n == 0;

	path_names_done(&names);
	return empty;
}

/* Remove @name of @folder, and the folder with its last. */
static int remove_one(int top, const char *folder, const char *name)
{
	_cleanup_(closep) int dir =
		openat(top, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = name ? path_remove_tree(dir, name) : 0;
	if (r >= 0 && unlinkat(top, folder, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		r = -errno;
	return r;
}

static int open_mounted(int run_fd, const char *name)
{
	_cleanup_(closep) int top =
		openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return top >= 0 && is_mounted(run_fd, top) ? take_fd(&top) : -1;
}

static int unmount_if_empty(const char *run, const char *name, int top)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", run, name);

	if (!is_empty(top))
		return 0;
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 || rmdir(path) < 0 ? -errno : 0;
}

int ramdisk_remove(const char *run, const char *id, const char *project_id, struct err *err)
{
	_cleanup_(closep) int run_fd = lock(run), disks = -1, devices = -1;
	int r = MIN_OF(run_fd, 0);

	disks = r < 0 ? -1 : open_mounted(run_fd, "ramdisk");
	devices = r < 0 ? -1 : open_mounted(run_fd, "devices");
	if (disks >= 0) {
		r = remove_one(disks, "c", id);
		if (r >= 0 && project_id)
			r = remove_one(disks, "p", project_id);
		if (r >= 0)
			r = unmount_if_empty(run, "ramdisk", disks);
	}
	if (r >= 0 && devices >= 0) {
		if (unlinkat(devices, id, 0) < 0 && errno != ENOENT)
			r = -errno;
		if (r >= 0)
			r = unmount_if_empty(run, "devices", devices);
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
