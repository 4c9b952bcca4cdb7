/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A regular file's data into another one: shared where the file system can (ioctl_ficlone(2)), else
 * copied without its holes. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* @size: of @from. @done (may be NULL) is told of each piece. A source that is cut meanwhile is no
 * error: what is missing reads as zeros. Returns 0 or a negative errno. */
_must_check_ int filecopy_data(
	int from, int to, off_t size, void (*done)(uint64_t bytes, void *userdata), void *userdata);
