/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of hoodyctl doctor: can containers' roots be used where they lie? It is tried, as the kernel is
 * asked at each start; nothing of it stays. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Give a copy of the mount at @path the ids of a container that begin at @id_base, without
 * attaching it anywhere (mount_setattr(2), MOUNT_ATTR_IDMAP): -EINVAL from a file system that
 * can't. Needs root. */
_must_check_ int ctl_pool_try_ids(const char *path, int64_t id_base);
/* Execute a file there that has no name: -EACCES where nothing may be executed; -EOPNOTSUPP where
 * no such file can be made. */
_must_check_ int ctl_pool_try_exec(const char *path);
