/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key that may log in to a container as root: a block of ours in /root/.ssh/authorized_keys. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Make the block this one line, or (@key NULL) remove it. @root: of the container, as it lies in
 * the pool. -EBADMSG where our marks were edited, -ENOTDIR, -EINVAL … where no such file can be. */
_must_check_ int keyfile_write(int root, const char *key, struct err *err);
