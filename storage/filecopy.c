/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/filecopy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#define CHUNK  (64UL * 1024 * 1024)
#define BUFFER (256UL * 1024)

/* Through our own memory: between file systems that can't do it by themselves. */
static ssize_t copy_by_hand(int from, int to, off_t at, size_t size)
{
	_cleanup_(freep) char *buffer = xcalloc(1, BUFFER);
	ssize_t n = pread(from, buffer, MIN_OF(size, BUFFER), at), done = 0;

	while (n > 0 && done < n) {
		ssize_t m = pwrite(to, buffer + done, (size_t)(n - done), at + done);

		if (m < 0)
			return -1;
		done += m;
	}
	return n;
}

static ssize_t copy_some(int from, int to, off_t at, size_t size)
{
	off_t in = at, out = at;
	ssize_t n = copy_file_range(from, &in, to, &out, MIN_OF(size, CHUNK), 0);

	if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
		n = copy_by_hand(from, to, at, size);
	return n;
}

int filecopy_data(
	int from, int to, off_t size, void (*done)(uint64_t bytes, void *userdata), void *userdata)
{
	off_t at = 0;

	if (size == 0)
		return 0;
	if (ioctl(to, FICLONE, from) == 0) {
		if (done)
			done((uint64_t)size, userdata);
		return 0;
	}
	while (at < size) {
		off_t hole;

		at = lseek(from, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break; /* nothing but a hole behind */
		hole = at < 0 ? -1 : MIN_OF(lseek(from, at, SEEK_HOLE), size);
		if (at < 0 || hole < 0)
			return -errno;
		while (at < hole) {
			ssize_t n = copy_some(from, to, at, (size_t)(hole - at));

			if (n < 0)
				return -errno;
			if (n == 0)
				return ftruncate(to, size) < 0 ? -errno : 0; /* it was cut */
			at += n;
			if (done)
				done((uint64_t)n, userdata);
		}
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}
