/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where hoody-unpack is while it reads what a stranger packed: nobody's user, in namespaces of its
 * own, with the tree as the whole of its file system and the archive, which it can't write to, and
 * the pipe as all that it holds.
 *
 * Its ids are a range that no container has. The tree is mounted by them (mount_setattr(2),
 * MOUNT_ATTR_IDMAP), so that what it makes is stored unshifted, as all of the pool is. Its
 * capabilities are of that range's namespace alone: for the host it has none, so device nodes but
 * overlayfs' whiteouts, and attributes of the kernel's own name spaces but file capabilities, are
 * not its to make. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Call it as root, with one thread and UNPACK_SAY, UNPACK_ARCHIVE and UNPACK_TREE
 * (storage/unpack.h) open; afterwards the last is closed and "/" is what it was. Returns 0, or a
 * negative errno: then nothing must go on. */
_must_check_ int unpack_cell_enter(struct err *err);
