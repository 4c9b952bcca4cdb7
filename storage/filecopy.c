/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/filecopy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define CHUNK  (64UL * 1024 * 1024)
#define BUFFER (256UL * 1024)

/* From this size on a file's data is on its way to the disk while the next one is read: who copies
 * a tree waits for all of it in the end. Small ones are better written together. */
#define FLUSH_FROM (256 * 1024)

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

/* From @at to @end, where there are no holes. 1: the source ends before. */
static int copy_piece(int from, int to, off_t at, off_t end,
	void (*done)(uint64_t bytes, void *userdata), void *userdata)
{
	while (at < end) {
		ssize_t n = copy_some(from, to, at, (size_t)(end - at));

		if (n < 0)
			return -errno;
		if (n == 0)
			return 1;
		at += n;
		if (done)
			done((uint64_t)n, userdata);
	}
	return 0;
}

static int copy_pieces(
	int from, int to, off_t size, void (*done)(uint64_t bytes, void *userdata), void *userdata)
{
	off_t at = 0, hole;
	int r = 0;

	while (r == 0 && at < size) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno; /* ENXIO: a hole to the end */
		hole = lseek(from, at, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = copy_piece(from, to, at, MIN_OF(hole, size), done, userdata);
		at = hole;
	}
	return MIN_OF(r, 0);
}

int filecopy_data(
	int from, int to, off_t size, void (*done)(uint64_t bytes, void *userdata), void *userdata)
{
	int r;

	if (size == 0)
		return 0;
	if (ioctl(to, FICLONE, from) == 0) {
		if (done)
			done((uint64_t)size, userdata);
		return 0;
	}
	r = copy_pieces(from, to, size, done, userdata);
	if (r >= 0 && ftruncate(to, size) < 0)
		r = -errno;
	if (r >= 0 && size >= FLUSH_FROM)
		(void)sync_file_range(to, 0, 0, SYNC_FILE_RANGE_WRITE);
	return r;
}
