/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pseudo terminal of a container's own devpts, so that it has a name there (tty(1), sudo, screen)
 * and no terminal of the host ever reaches a container. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* @root: the container's root directory as /proc/<pid>/root opens it. The slave belongs to @owner
 * (a uid of the host). Returns 0; -ENOTTY when what lies at /dev/pts/ptmx is none of a devpts. */
_must_check_ int ctpty_open(int root, uid_t owner, int *ret_master, int *ret_slave);
