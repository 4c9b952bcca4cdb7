/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What root of the host alone can make, and no container: an image that brings it along is taken
 * without it. A container could make no use of it, and whoever reads an image on the host's behalf
 * should have nothing of it to stumble over. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* A device node, but overlayfs' whiteout, which is anybody's (mknod(2), 0/0). */
bool hostonly_is_device(mode_t mode, dev_t rdev);

#define HOSTONLY_ACL_ACCESS  "system.posix_acl_access"
#define HOSTONLY_ACL_DEFAULT "system.posix_acl_default"

/* An attribute (xattr(7)) that is neither a user's, nor a file's capabilities nor its ACL: those
 * are a user namespace's. The others are the kernel's own, or of another system's file systems
 * (NFS, macOS), and no container could set one. */
bool hostonly_is_attribute(const char *name);
