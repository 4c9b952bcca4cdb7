/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool: where the containers' roots lie. <Pool>/containers/<id>/rootfs, ids unshifted (they are mapped when the root is mounted).
 *
 * A file that is setuid root in a container is so on the disk too: no user of the host may reach it. <Pool> and containers are 0711, <id> is 0710 and of
 * the container's own first group, which liblxc takes on to mount the root, and nobody else has.
 *
 * A root is made whole under a name of its own and then renamed, and renamed away before it is removed: a crash shows it or shows it not. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

struct pool {
	int fd;           /* of <Pool> */
	int containers;   /* of <Pool>/containers */
	char path[512];
};

/* Make what is missing. @driver: "auto", "dir". Returns 0; -ENOTSUP for a driver that this pool can't have. */
_must_check_ int pool_open(const char *path, const char *driver, struct pool *ret, struct err *err);
void pool_close(struct pool *p);
#define _cleanup_pool_ _cleanup_(pool_close)

/* Make the container's root from @image. There already: success. Blocks for as long as the disk takes. */
struct pool_root {
	const char *id, *image, *hostname;
	uint32_t id_base; /* of the container's id range */
};
_must_check_ int pool_create_root(struct pool *p, const struct pool_root *root, struct err *err);

/* Remove it, also half-made or half-removed. Not there: success. */
_must_check_ int pool_remove_root(struct pool *p, const char *id, struct err *err);

/* <Pool>/containers/<id>/rootfs; the caller's. */
char *pool_root_path(const struct pool *p, const char *id);
