/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of a target's own, for code that reads files: below $TMPDIR, gone with the process
 * unless that crashes (tests/fuzz/run removes $TMPDIR then). */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "proto/base.h"
#include "storage/path.h"

static char scratch_path[256];

static void scratch_remove(void)
{
	(void)!path_remove_tree(AT_FDCWD, scratch_path);
}

/* Opened once; stays the process'. */
static inline int scratch_open(void)
{
	const char *base = getenv("TMPDIR");
	static int fd = -1;

	if (fd >= 0)
		return fd;
	(void)snprintf(
		scratch_path, sizeof(scratch_path), "%s/hoody-fuzz-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(scratch_path) || atexit(scratch_remove) != 0)
		abort();
	fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

static inline void scratch_write(const char *name, const void *data, size_t size)
{
	_cleanup_(closep) int fd = openat(
		scratch_open(), name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
}

/* The whole file, with a NUL behind it; the caller's. NULL: there is none. */
static inline char *scratch_read(const char *name, size_t *ret_size)
{
	_cleanup_(closep) int fd = openat(scratch_open(), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	data = xcalloc((size_t)st.st_size + 1, 1);
	if (read(fd, data, (size_t)st.st_size) != st.st_size)
		abort();
	*ret_size = (size_t)st.st_size;
	return data;
}
