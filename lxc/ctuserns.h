/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user namespace of a container, made by us, so that what the kernel counts by user is bounded
 * for the container as a whole.
 *
 * Namespaces, inotify instances, watches and the like are counted for the user who makes one, and
 * again for the owner of each user namespace above (inc_ucount in kernel/ucount.c). A bound in the
 * container's own namespace would be of one user each, and its root's to lift. So it is made below
 * a *lid*: a namespace that has the bounds and the container's ids as they are on the host, in
 * which nothing ever runs. Nobody inside has a capability over it. Both are owned by the
 * container's root instead of the host's, whom else all containers would be counted for: with one
 * that has used up a kind, none would start.
 *
 * Where kernel.unprivileged_userns_clone is 0 there is no lid: what the host's user.max_* (see
 * namespaces(7)) let each user have bounds the container's root, and with it the container.
 *
 * With it comes the network namespace that it owns (an owner is for good, and /sys asks for it), in
 * which nobody is yet: what a link takes is made there while a launch does all else.
 *
 * All go with the last process and descriptor of the container's. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

struct ctuserns_bounds {
	/* of each kind, those that the container itself consists of among them */
	int64_t namespaces;
	/* no more than @namespaces: the kernel holds the lock of all links for as long as it takes
	 * to end those that have gone by then (cleanup_net), a millisecond each */
	int64_t net_namespaces;
	int64_t inotify; /* instances; fanotify's groups, too */
	int64_t watches; /* of inotify; fanotify's marks, too */
};

/* Both of them, held by a process of the host's that does nothing: /proc/<holder>/ns/user, net. */
struct ctuserns {
	pid_t maker, holder; /* children of who made them; @holder: of ctuserns_await() */
	int leave;           /* they end with this descriptor, and with who has it */
};

/* In the user namespace 0 is @id_base of the host, and so on for CTSPEC_ID_RANGE ids; @b NULL,
 * or no lid: nothing is bounded. Forks: a worker's, which has one thread. Both namespaces are still
 * to come: what the caller can do before it has them is done beside their making. */
_must_check_ int ctuserns_make(
	uint32_t id_base, const struct ctuserns_bounds *b, struct ctuserns *ret, struct err *err);
/* Wait for the user namespace; what is there already is not waited for. */
_must_check_ int ctuserns_await(struct ctuserns *u, struct err *err);
/* Then for that of the network, whose making may wait long for locks of the kernel's; once, by
 * whoever has the descriptor. */
_must_check_ int ctuserns_await_net(const struct ctuserns *u, struct err *err);
/* Whatever has been entered or opened by now stays. Their ends are waited for. */
void ctuserns_let_go(struct ctuserns *u);
