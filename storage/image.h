/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images. For now the one that needs no network: builtin:busybox, made from the host's static
 * busybox. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Fill the empty directory @root (a descriptor) with the image's tree, ids unshifted. -ENOENT
 * (IMAGE_NOT_FOUND). */
_must_check_ int image_unpack(const char *image, int root, const char *hostname, struct err *err);
