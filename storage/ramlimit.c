/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/ramlimit.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "storage/path.h"

#define FLOOR     (4LL << 20)
#define PER_INODE 4096 /* bytes of the ceiling: as many inodes as tmpfs itself would give it */
#define OPEN_DIR  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Of what is shared: bytes, or inodes. */
struct pool {
	int64_t ceiling, floor, used;
	int64_t n; /* that share it */
};

static int64_t limit_of(const struct pool *p, int64_t used, int64_t most)
{
	int64_t share = MAX_OF(p->ceiling / MAX_OF(p->n, (int64_t)1), p->floor),
		more = MAX_OF((p->ceiling - p->used) / 2, (int64_t)0);

	if (used < share)
		more = MAX_OF(more, MIN_OF(p->floor, share - used));
	return MAX_OF(MIN_OF(used + more, most), used);
}

/* --- one --- */

bool ramlimit_is_mounted(int parent, int dir)
{
	struct stat a, b;
	struct statfs fs;

	return fstat(parent, &a) == 0 && fstat(dir, &b) == 0 && a.st_dev != b.st_dev &&
	       fstatfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int set_number(int fs, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0) < 0 ? -errno : 0;
}

/* 0 would be no limit (tmpfs(5)). */
static int set_limits(int fs, int64_t bytes, int64_t inodes)
{
	int r = set_number(fs, "size", MAX_OF(bytes, (int64_t)1));

	return r < 0 ? r : set_number(fs, "nr_inodes", MAX_OF(inodes, (int64_t)1));
}

static int configure(int fs, uint32_t owner, mode_t mode)
{
	char octal[8];
	int r = set_limits(fs, FLOOR, FLOOR / PER_INODE);

	(void)snprintf(octal, sizeof(octal), "%o", (unsigned)mode);
	if (r >= 0)
		r = set_number(fs, "uid", owner);
	if (r >= 0)
		r = set_number(fs, "gid", owner);
	if (r >= 0 && (fsconfig(fs, FSCONFIG_SET_STRING, "mode", octal, 0) < 0 ||
			      fsconfig(fs, FSCONFIG_SET_STRING, "source", RAMLIMIT_SOURCE, 0) < 0 ||
			      fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0))
		r = -errno;
	return r;
}

int ramlimit_mount(int parent, const char *name, uint32_t owner, mode_t mode)
{
	_cleanup_(closep) int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1;
	int r = fs < 0 ? -errno : configure(fs, owner, mode);

	if (r < 0)
		return r;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return mount < 0 || move_mount(mount, "", parent, name, MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

static int reconfigure(int dir, int64_t bytes, int64_t inodes)
{
	_cleanup_(closep) int fs = fspick(dir, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int r = fs < 0 ? -errno : set_limits(fs, bytes, inodes);

	return r < 0 ? r : fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int64_t bytes_used(const struct statfs *fs)
{
	return (int64_t)(fs->f_blocks - fs->f_bfree) * fs->f_bsize;
}

static int64_t inodes_used(const struct statfs *fs)
{
	return (int64_t)(fs->f_files - fs->f_ffree);
}

void ramlimit_seal(int dir)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) == 0)
		(void)reconfigure(dir, bytes_used(&fs), inodes_used(&fs));
}

/* --- all --- */

struct look {
	struct pool bytes, inodes;
};

static void add_up(struct look *l, int dir, int64_t parts)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return;
	l->bytes.used += bytes_used(&fs);
	l->inodes.used += inodes_used(&fs);
	l->bytes.n++;
	l->inodes.n++;
}

/* One that has grown meanwhile waits for the next look. */
static void renew(struct look *l, int dir, int64_t parts)
{
	int64_t bytes, inodes;
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return;
	bytes = limit_of(&l->bytes, bytes_used(&fs), l->bytes.ceiling / parts);
	inodes = limit_of(&l->inodes, inodes_used(&fs), l->inodes.ceiling / parts);
	if (bytes != (int64_t)fs.f_blocks * fs.f_bsize || inodes != (int64_t)fs.f_files)
		(void)reconfigure(dir, bytes, inodes);
}

typedef void (*visit)(struct look *l, int dir, int64_t parts);

static void each_in(int top, const char *folder, visit each, struct look *l)
{
	_cleanup_(closep) int dir = openat(top, folder, OPEN_DIR);
	struct path_names names = {};

	if (dir >= 0 && path_list(dir, &names) == 0)
		for (size_t i = 0; i < names.n; i++) {
			_cleanup_(closep) int own = openat(dir, names.at[i], OPEN_DIR);

			if (own >= 0 && ramlimit_is_mounted(dir, own))
				each(l, own, 2);
		}
	path_names_done(&names);
}

static void each_below(int top, bool top_mounted, visit each, struct look *l)
{
	if (top_mounted)
		each(l, top, 1);
	each_in(top, "c", each, l);
	each_in(top, "p", each, l);
}

void ramlimit_renew(int top, bool top_mounted)
{
	int64_t ceiling = ramlimit_ceiling(), floor = MIN_OF(FLOOR, ceiling / 8);
	struct look l = {
		.bytes = { .ceiling = ceiling, .floor = floor },
		.inodes = { .ceiling = ceiling / PER_INODE, .floor = floor / PER_INODE },
	};

	each_below(top, top_mounted, add_up, &l);
	each_below(top, top_mounted, renew, &l);
}
