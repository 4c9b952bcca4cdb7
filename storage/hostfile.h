/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* The container's /etc/hostname says @to if it said @from: what its owner has chosen stays. @root:
 * as it lies in the pool. */
_must_check_ int hostfile_rename(int root, const char *from, const char *to, struct err *err);

/* @root's says @name if that of @from does, which @root is an older state of; where @from has none,
 * or its owner's, @root keeps what it has. Both as above. */
_must_check_ int hostfile_keep(int from, int root, const char *name, struct err *err);
