/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SquashFS images, as LXC and Incus have them beside their metadata: mounted by the kernel where it
 * can, read-only, out of everybody's sight (a mount that is attached nowhere), and copied out. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

bool squash_is_one(int fd);

/* The root directory of the file system in @fd; closing it takes the mount and its loop device
 * away. The caller's. -ENOTSUP (IMAGE_INVALID) where the kernel knows no squashfs, or not this
 * one. */
_must_check_ int squash_open(int fd, struct err *err);
