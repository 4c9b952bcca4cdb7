/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Make one tree equal to another: the copy of a tree when there is nothing yet, and else only what
 * differs. Faithful: owners, modes with setuid, times to the nanosecond, hard links, holes, device
 * nodes, fifos, sockets, and all extended attributes, POSIX ACLs and file capabilities among them
 * (xattr(7)). Data is shared where the file system can (ioctl_ficlone(2)).
 *
 * Both trees are walked by descriptors and no link is followed, so whoever changes the source
 * meanwhile can spoil the copy and nothing else. Other file systems and nested subvolumes are not
 * entered: an empty directory stands for them. A file is taken for unchanged when type, owner,
 * mode, size, times of modification and attributes are equal, as rsync(1) does. */
#pragma once

#include <time.h>

#include "proto/base.h"
#include "proto/err.h"

struct treecopy {
	int from, to; /* two directories; borrowed */
	/* How far it is, every so many bytes or files; may be NULL. */
	void (*progress)(const struct treecopy *t, void *userdata);
	void *userdata;
	/* A file that has changed since then is not taken for unchanged whatever else is equal: its
	 * time may be of the same tick of the kernel's clock as that of an earlier copy. */
	struct timespec distrust;      /* {0}: never */
	uint64_t max_files, max_bytes; /* with attributes; -EFBIG beyond; 0: no bound */
	uint32_t max_id;               /* of owners: IMAGE_INVALID beyond; 0: no bound */
	bool no_hostonly;              /* leave that out (storage/hostonly.h) */
	/* There will be a second run, when nobody can take leases any more: what is under one is
	 * left to that. */
	bool defer_leased;
	/* What was done. */
	uint64_t files;     /* looked at */
	uint64_t changed;   /* made anew, their attributes included */
	uint64_t bytes;     /* of data written or shared */
	uint64_t leased;    /* left out */
	uint64_t allocated; /* of the whole source, as st_blocks has it */
};

/* Returns 0; -ENOSPC (DISK_FULL), -EDQUOT likewise. Stopped midway, @to is between the two and a
 * second run completes it. Nothing is flushed to the disk: syncfs(2) is the caller's. */
_must_check_ int treecopy_run(struct treecopy *t, struct err *err);
