/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool: where the containers' roots, their snapshots and the images lie, ids unshifted (they
 * are mapped when a root is mounted).
 *
 *   <Pool>/containers/<id>/rootfs
 *   <Pool>/containers/<id>/snapshots/<name>
 *   <Pool>/images/<digest>/rootfs          (storage/image)
 *
 * A file that is setuid root in a container is so on the disk too: no user of the host may reach
 * it. <Pool> and containers are 0711, <id> is 0710 and of the container's own first group, which
 * liblxc takes on to mount the root, and nobody else has; images and snapshots are 0700.
 *
 * Whatever is made is made whole under a name of its own and then renamed, and renamed away before
 * it is removed; a root is replaced by storage/swap. Each function may be called again after a
 * crash in it. Errors are DISK_FULL when the pool or a quota is full. All block for as long as the
 * disk takes. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "storage/pool_driver.h"

struct pool {
	int fd;         /* of <Pool> */
	int containers; /* of <Pool>/containers, by a mount without devices (path_open_tree) */
	int images;     /* of <Pool>/images */
	const struct pool_driver *driver;
	/* For the figures of treecopy; set it after pool_open, or leave it. */
	void (*progress)(const struct treecopy *t, void *userdata);
	void *userdata;
	struct quota quota; /* of the container's root; set it likewise */
	uint64_t bytes; /* what the last tree that was copied takes, where the driver has looked */
	char path[512];
};

/* @driver: "auto", "btrfs", "dir". <Pool>/containers has to be there: it is made once, by who knows
 * that the pool begins empty, so that one whose file system is not mounted is not taken for it.
 * Returns 0; -ENOENT without it; -ENOTSUP for a driver that this pool can't have. */
_must_check_ int pool_open(const char *path, const char *driver, struct pool *ret, struct err *err);
void pool_close(struct pool *p);
#define _cleanup_pool_ _cleanup_(pool_close)

struct pool_root {
	const char *id, *image, *hostname;
	const char *digest; /* of the image in the store; NULL: it is a built-in one */
	uint32_t id_base;   /* of the container's id range */
};

/* Make the container's root from its image. There already: success. */
_must_check_ int pool_create_root(struct pool *p, const struct pool_root *root, struct err *err);

/* Make it from another container's root, or from one of its snapshots, with all snapshots and an
 * identity of its own. There already: success. @hold: of the source, NULL when it does not run. */
_must_check_ int pool_copy_root(struct pool *p, const struct pool_root *root, const char *source_id,
	const char *snapshot, const struct pool_hold *hold, struct err *err);

/* Its disk limit is pool->quota from now on. LIMIT_NOT_SUPPORTED also for a root of plain
 * directories that was made without any: what is in it is counted for nobody. */
_must_check_ int pool_limit_root(struct pool *p, const char *id, struct err *err);

/* Remove it with its snapshots, also half-made or half-removed. Not there: success. */
_must_check_ int pool_remove_root(struct pool *p, const char *id, struct err *err);

/* There already: success. */
_must_check_ int pool_snapshot(struct pool *p, const char *id, const char *name,
	const struct pool_hold *hold, struct err *err);
/* Gone already: success. */
_must_check_ int pool_remove_snapshot(
	struct pool *p, const char *id, const char *name, struct err *err);

/* Replace the root of a container that does not run: by a snapshot of its own, or by another
 * container's root, under the identity that it has. Then either of the two below. What takes long
 * of a sync, its build, may be done while it runs.
 * @foreign: the snapshot came along when the container was copied, so it has another's identity. */
_must_check_ int pool_restore(struct pool *p, const struct pool_root *root, const char *snapshot,
	bool foreign, struct err *err);
_must_check_ int pool_sync_build(struct pool *p, const char *id, const char *source_id,
	const struct pool_hold *hold, struct err *err);
_must_check_ int pool_sync(struct pool *p, const char *id, struct err *err);
_must_check_ int pool_revert(struct pool *p, const char *id, struct err *err);
/* @keep_base: the old root stays, hidden, and the next sync writes what differs from it alone; of a
 * container without a disk limit. */
_must_check_ int pool_settle(struct pool *p, const char *id, bool keep_base, struct err *err);
