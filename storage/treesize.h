/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a directory and all below it take on their file system. Of a file with several names each
 * name has its part, so that those within the tree make up the whole. What a container has there is
 * its own to move and to link meanwhile: so by descriptors alone, which never leave it. */
#pragma once

#include "proto/base.h"

/* @fd is taken; negative: -errno. Other file systems and subvolumes are not entered. No file is
 * opened. Returns 0, or -E2BIG where there is more than it looks at (a million files for @files_max
 * of it, 256 directories in one another), and then *ret_bytes is what it has seen. Blocks as long
 * as the disk takes. */
_must_check_ int treesize_run(int fd, uint64_t files_max, int64_t *ret_bytes);
