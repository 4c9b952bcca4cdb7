/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/squash.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define MAGIC     "hsqs"
#define TRIES_MAX 64 /* a free loop device may be another's before we have it */

bool squash_is_one(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* Goes with its last user (LO_FLAGS_AUTOCLEAR). */
static int attach(int fd, char ret_path[static 32])
{
	struct loop_config config = { .fd = (uint32_t)fd,
		.info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR } };
	_cleanup_(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -errno;
	for (int i = 0; i < TRIES_MAX; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		_cleanup_(closep) int device = -1;

		if (number < 0)
			return -errno;
		(void)snprintf(ret_path, 32, "/dev/loop%d", number);
		device = open(ret_path, O_RDONLY | O_CLOEXEC);
		if (device < 0)
			return -errno;
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&device);
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

int squash_open(int fd, struct err *err)
{
	_cleanup_(closep) int device = -1, context = -1, mount = -1;
	char path[32];
	int root;

	device = attach(fd, path);
	if (device < 0)
		return err_set(err, device, ERR_INTERNAL, NULL, "no loop device is to be had: %s",
			strerror(-device));
	context = (int)syscall(SYS_fsopen, "squashfs", FSOPEN_CLOEXEC);
	if (context >= 0 &&
		syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", path, 0) == 0 &&
		syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "ro", NULL, 0) == 0 &&
		syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				MOUNT_ATTR_NOEXEC);
	if (mount < 0)
		return err_set(err, -ENOTSUP, ERR_IMAGE_INVALID, "image",
			"the kernel can't mount this squashfs: %s", strerror(errno));
	/* fsmount(2) gives an O_PATH descriptor: one that can be read from is opened through it. */
	root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_set(err, -errno, ERR_INTERNAL, NULL, "can't open the squashfs: %s",
				  strerror(errno))
			: root;
}
