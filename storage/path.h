/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From text to a descriptor, below a directory that is held: the only file that resolves a name
 * which a container can influence. openat2(2), never strings: there is no fallback for kernels
 * without it. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* The directory @path, through a mount of its own that is gone with the last descriptor below it:
 * nodev, nosuid and noexec, however the file system itself is mounted. What containers fill is
 * opened by it, so that no device in it can be opened. Not to be followed where it is a link
 * (-ELOOP, -ENOTDIR). @ret_mount is the caller's, too, to be closed when nobody waits: the kernel
 * waits for all its readers then (namespace_unlock of the kernel's). */
_must_check_ int path_open_tree(const char *path, int *ret, int *ret_mount);

/* Open @path beneath @root: no way out by "..", absolute or magic links (-EXDEV, -ELOOP: an escape
 * attempt). */
_must_check_ int path_open_beneath(int root, const char *path, int flags, mode_t mode, int *ret);

/* Open @path as a process chrooted to @root would: links are followed, and end inside. */
_must_check_ int path_open_in_root(int root, const char *path, int flags, mode_t mode, int *ret);

/* The regular file @name in @dir, for reading. A device or a pipe that an image or a container has
 * put there is looked at and never opened: to open some is to do something (a tape winds, a
 * watchdog begins). No link is followed (-ELOOP); -EINVAL for what is no regular file. A lease that
 * somebody has on it (F_SETLEASE in fcntl(2); Samba has many) is broken, for which its holder has
 * /proc/sys/fs/lease-break-time: a worker's. */
_must_check_ int path_open_file(int dir, const char *name, int *ret);
/* The same, but where one would have to wait: -EAGAIN, and the lease's holder has been told. */
_must_check_ int path_try_file(int dir, const char *name, int *ret);
_must_check_ int path_reopen_file(int seen, int *ret); /* the same, of an O_PATH descriptor */

/* Make the directory @path of a container's root, and those above it that are missing; links are
 * followed, and end inside. -ENOTDIR where something else stands. */
_must_check_ int path_make_in_root(int root, const char *path, mode_t mode);

/* The names in a directory but for "." and "..", sorted. */
struct path_names {
	char **at;
	size_t n, allocated;
};
_must_check_ int path_list(int dir, struct path_names *ret); /* @ret is filled also on failure */
void path_names_done(struct path_names *n);

/* Remove the directory @name in @parent and all below it, never following a link nor entering
 * another mount. Gone already: success. A tree that is deeper than any path could name is removed
 * all the same: no recursion over foreign data. */
_must_check_ int path_remove_tree(int parent, const char *name);
