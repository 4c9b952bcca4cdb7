/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/projquota.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define BLOCK     1024 /* if_dqblk counts in these (quotactl(2)) */
#define FILES_MIN 16384

static int call(int fd, unsigned command, uint32_t project, struct if_dqblk *q)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, q) < 0 ? -errno : 0;
}

/* Files without bytes take up what there is of files, of which ext4 has so many and no more: twice
 * the limit's share of the file system's, and what a distribution's root has at the least. It is
 * asked of the directory above: of one with a project the kernel says what that may have. */
static uint64_t files_for(int dir, int64_t bytes)
{
	_cleanup_(closep) int up = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statvfs fs;

	if (bytes == 0 || up < 0 || fstatvfs(up, &fs) < 0 || fs.f_blocks == 0 || fs.f_files == 0)
		return 0; /* none */
	return MAX_OF((uint64_t)(2 * (double)fs.f_files * (double)bytes /
				 ((double)fs.f_blocks * (double)fs.f_frsize)),
		(uint64_t)FILES_MIN);
}

static int set(int dir, uint32_t project, int64_t bytes)
{
	struct if_dqblk limits = { .dqb_bhardlimit = (uint64_t)(bytes + BLOCK - 1) / BLOCK,
		.dqb_ihardlimit = files_for(dir, bytes),
		.dqb_valid = QIF_LIMITS };

	return call(dir, Q_SETQUOTA, project, &limits);
}

/* Of the container's two, the one that @dir belongs to. */
static int project_of(int dir, uint32_t first, uint32_t *ret)
{
	struct fsxattr attributes;

	*ret = 0;
	if (ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	*ret = attributes.fsx_projid;
	return *ret == first || *ret == first + 1 ? 0 : -ENOTSUP;
}

uint32_t projquota_beside(int root, uint32_t project)
{
	uint32_t own;

	return project_of(root, project, &own) >= 0 && own == project ? project + 1 : project;
}

int projquota_change(int dir, const struct quota *q)
{
	uint32_t own;
	int r = project_of(dir, q->project, &own);

	if (r >= 0)
		r = set(dir, own, q->bytes);
	return quota_is_off(r) ? (q->bytes == 0 ? 0 : -ENOTSUP) : r;
}

int projquota_limit(int dir, const struct quota *q)
{
	struct fsxattr attributes;
	int r;

	if (q->bytes == 0)
		return 0;
	r = set(dir, q->project, q->bytes);
	if (r >= 0 && ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0)
		r = -errno;
	if (r >= 0) {
		attributes.fsx_projid = q->project;
		attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
		if (ioctl(dir, FS_IOC_FSSETXATTR, &attributes) < 0)
			r = -errno;
	}
	return quota_is_off(r) ? -ENOTSUP : r;
}

int64_t projquota_use(int root, uint32_t project)
{
	struct if_dqblk q;
	uint32_t own;

	if (project_of(root, project, &own) < 0 || call(root, Q_GETQUOTA, own, &q) < 0)
		return -1;
	return q.dqb_bhardlimit > 0 ? (int64_t)q.dqb_curspace : -1;
}
