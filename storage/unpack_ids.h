/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom an entry of an archive belongs to, and its ACLs: numbers that a container has, found by the
 * image's own passwd(5) and group(5) where an ACL has names alone (`tar --acls`), by number where
 * it is an attribute (`tar --xattrs`). */
#pragma once

#include <archive_entry.h>

#include "proto/base.h"

#define UNPACK_IDS_MAX       65535 /* the last that a container has */
#define UNPACK_IDS_FILE_SIZE (1024UL * 1024)

enum { UNPACK_IDS_USERS, UNPACK_IDS_GROUPS, UNPACK_IDS_FILES };

struct unpack_ids {
	char *text[UNPACK_IDS_FILES]; /* of etc/passwd and etc/group; NULL: there is none */
};

void unpack_ids_done(struct unpack_ids *u);

/* Which of the two a name of the archive is, below the root or below rootfs/; or -1. */
int unpack_ids_file(const char *name);

/* It has an ACL by name, for which the texts are needed. */
bool unpack_ids_wanted(struct archive_entry *e);

/* Its ACLs by number, and all of them such as a container has. Returns 0; -EBADMSG and in @why what
 * it is that can't be taken. */
_must_check_ int unpack_ids_settle(
	const struct unpack_ids *u, struct archive_entry *e, char *why, size_t size);
