/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One number for a whole tree (BLAKE2b-256): names, types, owners, modes, times of modification,
 * link counts, extended attributes and every byte. Equal numbers: nothing has changed since. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define TREEDIGEST_HEX 64

/* @tree: a directory, borrowed. Other file systems are not entered. Reads all of it, so blocks for
 * as long as the disk takes. -EIO: something can't be read (INTERNAL_SERVER_ERROR, or what diskerr
 * says). */
_must_check_ int treedigest_run(int tree, char ret[static TREEDIGEST_HEX + 1], struct err *err);
