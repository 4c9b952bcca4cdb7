/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree takes another's place, and can be put back: for restore and sync.
 *
 * In one directory: the tree itself (<name>), the one that is being built (.next.tmp), the whole
 * one (.next, with its identity in .next.id), the one that stood there before (.previous), and what
 * nobody wants any more (.trash). The two are exchanged (RENAME_EXCHANGE), so that a crash shows
 * one or the other; since the identity of the new one is durable before, a successor knows on which
 * side of the exchange it is. Every function may be repeated after a crash in it. */
#pragma once

#include "storage/pool_driver.h"

struct swap {
	int dir; /* where all of them lie; borrowed */
	const char *name;
	const struct pool_driver *driver;
};

#define SWAP_BUILDING ".next.tmp" /* what build() makes or completes */

/* Is the new tree still to be built? False: swap_commit may be called at once (and says so when it
 * could not be told). */
bool swap_wants_build(const struct swap *s);

/* The built tree is whole: make it durable and let it take the place. */
_must_check_ int swap_commit(const struct swap *s, struct err *err);

/* Back to what was before, also from the middle; what was built is removed. */
_must_check_ int swap_revert(const struct swap *s, struct err *err);

/* No way back any more. @keep: the old tree's new name, or NULL to remove it. */
_must_check_ int swap_settle(const struct swap *s, const char *keep, struct err *err);
