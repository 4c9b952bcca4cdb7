/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mounts of a namespace (proc(5), /proc/PID/mountinfo), and which of them are the agent's: by
 * the file system and the place in it that they show, never by a name that a container can give its
 * own. */
#pragma once

#include "proto/base.h"

struct mountinfo_entry {
	uint64_t id, parent;
	char device[24]; /* "major:minor" */
	char *root;      /* of the file system, what is mounted */
	char *point;     /* where, unescaped */
	bool readonly;
	bool overlay; /* it has copies of other mounts that no list shows (overlayfs) */
};

struct mountinfo {
	struct mountinfo_entry *at;
	size_t n, allocated;
};

/* Of the process that @proc has as @pid ("self", "4711"), in the order of mounting. */
_must_check_ int mountinfo_read(int proc, const char *pid, struct mountinfo *ret);
void mountinfo_done(struct mountinfo *m);
#define _cleanup_mountinfo_ _cleanup_(mountinfo_done)

const struct mountinfo_entry *mountinfo_find(const struct mountinfo *m, uint64_t id);

/* What a directory is called by mounts of it, whoever's they are: a file system and a path in
 * that. */
struct mountinfo_place {
	char device[24];
	char *root;
};

/* Where @directory lies; -errno. @ret belongs to the caller. */
_must_check_ int mountinfo_place(int proc, const char *directory, struct mountinfo_place *ret);
/* The file systems that are mounted on @directory or below it, here; none where it is not. @ret
 * belongs to the caller. */
_must_check_ int mountinfo_places_below(
	int proc, const char *directory, struct mountinfo_place **ret, size_t *ret_n);
void mountinfo_place_done(struct mountinfo_place *p);

struct mountinfo_rule {
	const struct mountinfo_place *trees;    /* <Pool>/containers */
	const struct mountinfo_place *ramdisks; /* file systems; or NULL */
	size_t n_ramdisks;
	const char *self;
	struct mountinfo_entry *allowed; /* borrowed texts */
	size_t n;
};
/* In container @self: of another container's tree in the pool, or of a ramdisk. */
bool mountinfo_is_ours(const struct mountinfo_entry *e, const struct mountinfo_rule *r);
/* It shows no more than one that is allowed, and is no freer. */
bool mountinfo_may_stay(const struct mountinfo_entry *e, const struct mountinfo_rule *r);
