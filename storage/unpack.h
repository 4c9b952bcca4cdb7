/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Archives into trees: tar, plain or packed by gzip, bzip2, xz or zstd, by libarchive(3) in
 * hoody-unpack, which is nobody on the host and sees nothing but the tree (storage/unpack_cell.h).
 *
 * Names with "..", absolute ones, and ways through symbolic links are errors. Owners are numbers,
 * and such as a container has; ACLs by name are for whom the image's own passwd and group say. What
 * the file system can't hold is an error too. Left out is what no container can make or use: device
 * nodes but overlayfs' whiteouts (0/0), and all attributes but user.*, security.capability and
 * ACLs. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "proto/leafid.h"

struct unpack {
	int archive; /* read from its present position; borrowed */
	int tree;    /* an empty directory, or with @layer one to lay this archive over; borrowed */
	/* of an OCI image: whiteouts, and links of lower layers are followed (inside) */
	bool layer;
	uint64_t max_bytes, max_entries; /* DISK_FULL above is too late: IMAGE_INVALID */
	const char *program;             /* hoody-unpack; borrowed */
	void (*progress)(uint64_t bytes, void *userdata); /* may be NULL */
	void *userdata;
	uint64_t bytes, entries; /* what it was; attributes count like data */
};

/* The ids of hoody-unpack on the host, which no container gets. */
#define UNPACK_ID_BASE  LEAFID_BASE(LEAFID_UNPACK)
#define UNPACK_ID_RANGE 65536u

/* Returns 0; -EBADMSG (IMAGE_INVALID) for an archive that is damaged, hostile or of another
 * form. */
_must_check_ int unpack_archive(struct unpack *u, struct err *err);

/* Between us and hoody-unpack: its descriptors, and what it says, no oftener than that; the last
 * word has an end. */
enum { UNPACK_SAY = 3, UNPACK_ARCHIVE, UNPACK_TREE };
#define UNPACK_TELL_EVERY (8UL * 1024 * 1024) /* bytes */

struct unpack_word {
	uint64_t bytes, entries;
	uint32_t end; /* or 0 */
	int r;
	struct err err;
};
