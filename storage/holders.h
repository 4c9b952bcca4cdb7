/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who in a container still has what is no longer shared with it.
 *
 * A mount that was taken away lives on for whoever has something of it open, and so does a copy
 * that is in no namespace (open_tree(2)): no list of mounts has either. What a process has open is
 * looked at by itself: each descriptor's file is found again in the pool by its handle
 * (open_by_handle_at(2)), and so by a path that nobody in a container has made. Tables of
 * descriptors that threads have for themselves count too; what is on its way through a socket is
 * seen by nobody. Nothing is opened for this: O_PATH alone, so no pipe, device or file system of a
 * container's can keep us waiting. */
#pragma once

#include <sys/types.h>

#include "storage/mountinfo.h"

#define HOLDERS_NAMED 4 /* pids that are told */

struct holders {
	unsigned held; /* descriptors and directories that lead to what is not shared (any more) */
	unsigned writable; /* of those, by a mount that can be written to */
	unsigned unseen;   /* processes whose descriptors could not all be looked at */
	pid_t pid[HOLDERS_NAMED];
	size_t n;
};

struct holders_look {
	int proc;  /* the host's /proc */
	int trees; /* <Pool>/containers */
	const pid_t *pids;
	size_t n_pids;
	const struct mountinfo_rule *rule; /* what is the agent's, and what of it may stay */
	/* (Optional) each mount namespace that is open somewhere, more than once if it is so. */
	void (*space)(int ns, void *userdata);
	/* (Optional) something of the agent's pool that can be written to: before it is counted. */
	void (*writable)(int fd, void *userdata);
	void *userdata;
};

/* About 5 us for each descriptor of the container's: worker only. */
void holders_look(const struct holders_look *look, struct holders *ret);
