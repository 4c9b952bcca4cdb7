/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of ours in a file that is a container's: a block between two marks, each a line of its
 * own. What stands outside of it is never touched. Pure. */
#pragma once

#include "proto/base.h"

#define BLOCK_BEGIN "# BEGIN hoody-agent"
#define BLOCK_END   "# END hoody-agent"

/* @text with @body (whole lines; "": none, and no block) as its block: in the place of the old one,
 * or at the end. -EBADMSG: a mark without the other, twice, or in the wrong order. The caller's. */
_must_check_ int block_replace(const char *text, const char *body, char **ret);

/* The lines of the block, "" without one. Errors as above; the caller's. */
_must_check_ int block_read(const char *text, char **ret);
