/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The images of a pool: <Pool>/images/<sha256 of the archive>/rootfs, read-only, root's alone. A
 * container's root is a clone of one.
 *
 * What is known: a tarball or a squashfs of a root file system; LXC's and Incus' unified image
 * (metadata.yaml, of which nothing is read, and rootfs/); an OCI image layout or what `docker save`
 * writes, layers with whiteouts. */
#pragma once

#include "storage/pool.h"

struct imagestore_limits {
	uint64_t max_bytes, max_entries;
	const char *unpack; /* the program: storage/unpack.h */
	bool replace;       /* what is there is damaged */
};

/* The spool of a download, to be appended to: .fetch-<digest>. The caller's descriptor. */
_must_check_ int imagestore_spool(struct pool *p, const char *digest, struct err *err);
/* Gone already: success. */
_must_check_ int imagestore_drop_spool(struct pool *p, const char *digest, struct err *err);

/* Unpack the spool. There already: success, unless it is to be replaced. It is gone afterwards,
 * whether it was good or not, and nothing half-made stays. */
_must_check_ int imagestore_unpack(
	struct pool *p, const char *digest, const struct imagestore_limits *l, struct err *err);
/* Take away what an unpacking that was killed left half-done. */
_must_check_ int imagestore_abandon(struct pool *p, const char *digest, struct err *err);

/* The tree, to be cloned; it isn't removed before the descriptor is closed. -ENOENT: it
 * is not there (IMAGE_NOT_FOUND). The caller's. */
_must_check_ int imagestore_open(struct pool *p, const char *digest, struct err *err);

/* Is the tree what was unpacked, to the last byte? @ret is false also when it is gone, or was
 * unpacked by an agent that kept no digest of it. */
_must_check_ int imagestore_verify(struct pool *p, const char *digest, bool *ret, struct err *err);

/* By which signal its process asks to be ended, in its own words (storage/oci); "": it says
 * nothing, or was unpacked by an agent that didn't listen. */
#define IMAGESTORE_SIGNAL_SIZE 40
void imagestore_stop_signal(
	struct pool *p, const char *digest, char ret[static IMAGESTORE_SIGNAL_SIZE]);

/* Of what was unpacked; 0: by an agent that kept no such note. */
int64_t imagestore_size(struct pool *p, const char *digest);

/* Containers made of it are untouched. Gone already: success. Waits for those that clone it. */
_must_check_ int imagestore_remove(struct pool *p, const char *digest, struct err *err);
