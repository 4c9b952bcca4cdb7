/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are ours inside of a container's root. Their directories are found as a process
 * chrooted to the root would find them; they themselves are never followed, whatever stands
 * there. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

#define ROOTFILE_MAX 65536

/* -ENOENT is no failure to anybody here: a system without it has it not. The caller's
 * descriptor. */
_must_check_ int rootfile_open_folder(int root, const char *folder, int *ret);

/* Beside and then over it, in one rename: also a power cut leaves the whole of the one or of the
 * other. */
_must_check_ int rootfile_replace(
	int folder, const char *name, const char *data, size_t size, mode_t mode);

/* The same, with the owner and mode of the file that is there; @mode where none is. */
_must_check_ int rootfile_rewrite(
	int folder, const char *name, const char *data, size_t size, mode_t mode);

/* A regular file's content, with a NUL after it. -ENOENT; -ELOOP for a link, -EINVAL for what else
 * is no file or more than ROOTFILE_MAX. The caller's. */
_must_check_ int rootfile_read(int folder, const char *name, char **ret, size_t *ret_size);

/* Make @body the lines of ours in it (storage/block.h), and leave all others as they are: a file
 * that would not change is not written, none is not made for nothing. -EBADMSG: our marks were
 * edited; -EINVAL for what is no text; -EFBIG. */
_must_check_ int rootfile_set_block(int folder, const char *name, const char *body, mode_t mode);
