/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories of a container that the platform's programs in it expect. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Make what is missing of them. @root: of the container, as it lies in the pool. */
_must_check_ int kittree_make(int root, struct err *err);
