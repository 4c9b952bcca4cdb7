/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a pool's file system makes of trees: a row of functions each, chosen when the pool is
 * opened. A tree is a directory, or on btrfs a subvolume. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "storage/quota.h"
#include "storage/treecopy.h"

/* Stops the processes that write to a tree, for as long as its copy needs to be of one instant.
 * Neither fails in a way that its caller could mend: a freeze that did not come about makes the
 * copy less exact, and a thaw is repeated by the agent. */
struct pool_hold {
	void (*freeze)(void *userdata);
	void (*thaw)(void *userdata);
	void *userdata;
};

struct pool_driver {
	const char *name;
	/* A new, empty tree. */
	int (*make)(int at, const char *name);
	/* A tree equal to @t->from. What a killed predecessor left under the name is completed or
	 * done again. @hold may be NULL: nobody writes. Sets @t's figures. */
	int (*clone)(struct treecopy *t, int at, const char *name, const struct pool_hold *hold,
		struct err *err);
	/* Remove the tree, read-only or not. Gone already: success. */
	int (*remove)(int at, const char *name);
	/* No change from now on; a reminder rather than a defence against root. */
	int (*seal)(int at, const char *name);
	/* How much it may take; for dir, of an empty tree. -ENOTSUP: this file system can't. */
	int (*limit)(int tree, const struct quota *q);
	int (*change_limit)(int tree, const struct quota *q); /* of a tree that has files already */
	/* What tells this tree from all others of the pool. */
	int (*identify)(int tree, uint64_t *ret);
	bool instant; /* a clone costs next to no time and no space, however large the tree */
};

extern const struct pool_driver pool_dir, pool_btrfs;
