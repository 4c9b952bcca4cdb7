/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the host is mounted in a container that runs, or is about to: directories that other
 * containers share with it, and its ramdisk.
 *
 * A source is opened once, component by component below the root that it has to be in: a link, a
 * mount or a ".." on the way refuses it (openat2(2)). What is mounted is that descriptor, never a
 * path. It is nosuid and nodev, its ids are mapped so that the container's root is the owner of
 * what root owns in the source, and its flags are locked: only a mount that was copied into a less
 * privileged user namespace has flags that root there can't take off (mount_namespaces(7)), so each
 * is copied through one before it is moved in. */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

struct mounts_target {
	const char *id;
	pid_t init;       /* the first process in its namespaces */
	const char *pool; /* <Pool> */
	/* a directory of the host's that may be mounted over, in a namespace of ours */
	const char *run;
	/* its processes: those in mount namespaces of their own are looked into too */
	const pid_t *pids;
	size_t n_pids;
};

/* Make it so that of ours exactly @wanted is mounted, wherever it was. Each of it is
 *   {"key","source_id","path","at","readonly"}   a directory of another container's root, or
 *   {"key","host","at","map"}                    one of the host's
 * Of two that are wished for one place the first has it, and the other has failed; one that is
 * wished for a place below another's is mounted in that one, whichever was there first.
 * "map" is "none" or, where the file system need not be able to, "optional"; ids are mapped without
 * it. @ret_result is {key: {"mounted": bool, "message"?, "escape"?: true}} and, under "", how many
 * mounts were taken away ("gone"), how many of those were in use ("lazy"), how many could not be
 * ("busy"), and who has what is no longer wished all the same ("held", "writable", "unseen",
 * "pids": storage/holders.h) or may have it ("overlays", which are the container's). The caller's.
 * Blocks for about 3 ms per mount that is made. */
_must_check_ int mounts_reconcile(
	const struct mounts_target *t, const json_t *wanted, json_t **ret_result, struct err *err);
