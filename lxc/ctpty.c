/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctpty.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define PTMX_MINOR 2
#define TTY_GROUP  5 /* of every distribution; devpts(5): gid=5 */

/* The path leads through what the container can arrange: no link is followed, and what stands there
 * is looked at before it is opened, since to open some devices is to do something. Only a devpts'
 * own is used (devpts(5)). */
static int open_master(int root)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_(closep) int seen =
		(int)syscall(SYS_openat2, root, "dev/pts/ptmx", &how, sizeof(how));
	char again[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct statfs fs;
	struct stat st;
	int fd;

	if (seen < 0 || fstat(seen, &st) < 0 || fstatfs(seen, &fs) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(TTYAUX_MAJOR, PTMX_MINOR) ||
		fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENOTTY;
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
	fd = open(again, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ctpty_open(int root, uid_t owner, int *ret_master, int *ret_slave)
{
	_cleanup_(closep) int master = open_master(root), slave = -1;
	int unlock = 0;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* By descriptor (ioctl_tty(2)): a name would be looked up in what the container mounts. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fchown(slave, owner, owner + TTY_GROUP) < 0 || fchmod(slave, 0620) < 0)
		return -errno;
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}
