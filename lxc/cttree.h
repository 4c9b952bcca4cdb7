/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk over a tree of cgroups that a container made, as wide and as deep as it liked: iterative,
 * with one descriptor at a time, and memory only for the names on the way down. Its time is in the
 * size of the tree: for workers, never for the agent's loop.
 *
 * The way up is "..": a cgroup never gets another parent (cgroup2 renames nothing, v1 only in
 * place). Where a directory is gone on with after its child is the kernel's position, which is the
 * hash of a name and so survives what comes and goes meanwhile (kernfs_dir_pos in
 * fs/kernfs/dir.c). */
#pragma once

#include "proto/base.h"

/* Calls @each for the directory @fd, which it takes, and for all below until it returns something
 * else than 0, which is then returned. Negative: not all could be looked at; a group that goes
 * meanwhile is no error. */
_must_check_ int cttree_walk(int fd, int (*each)(int dir, void *userdata), void *userdata);

/* Remove all groups below the directory @fd, which it takes. -EBUSY: in some of them something
 * lives. */
_must_check_ int cttree_clear(int fd);
