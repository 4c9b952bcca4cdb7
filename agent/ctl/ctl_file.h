/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files, written whole and durably or not at all. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Write @text to @path with @mode: into a new file beside it, fsync, rename, fsync of the
 * directory. The directory is made (0755) when only it is missing. */
_must_check_ int ctl_file_write(const char *path, const char *text, mode_t mode, struct err *err);

/* Read at most @max bytes. *ret is the caller's, NUL-terminated. -ENOENT when there is none (no
 * message), -EFBIG. */
_must_check_ int ctl_file_read(
	const char *path, size_t max, char **ret, size_t *ret_size, struct err *err);

/* Make a file of somebody else's as durable as ours, which refer to it. */
_must_check_ int ctl_file_sync(const char *path, struct err *err);

/* Could ctl_file_write() do it? Makes the directory too. */
_must_check_ int ctl_file_prepare(const char *path, struct err *err);
