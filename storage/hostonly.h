/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What root of the host alone can make, and no container: an image that brings it along is taken without it. A
 * container could make no use of it, and whoever reads an image on the host's behalf should have nothing of it to
 * stumble over. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* A device node, but overlayfs' whiteout, which is anybody's (mknod(2), 0/0). */
bool hostonly_is_device(mode_t mode, dev_t rdev);

/* An attribute of the kernel's own name spaces (xattr(7)), but file capabilities: those are a user namespace's. */
bool hostonly_is_attribute(const char *name);
