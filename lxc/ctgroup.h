/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroup directories of containers, on v1, hybrid and v2: made, read and removed by us, never
 * left to liblxc.
 *
 * In every mounted hierarchy a container owns <CgroupPrefix>/<id>/ with "monitor" and "payload"
 * (lxc.cgroup.dir.*) and, in the cgroup2 tree alone, "worker", which a worker enters before it has
 * liblxc start anything: whatever a killed worker leaves running is in the container's tree and
 * dies by cgroup.kill. Nothing here blocks for longer than a directory operation, except where
 * said. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

struct ctgroup; /* the mounted hierarchies and the prefix */

_must_check_ int ctgroup_open(const char *prefix, struct ctgroup **ret, struct err *err);
struct ctgroup *ctgroup_close(struct ctgroup *g);

/* Remove the prefix's own directories where no container has any: for the end of the agent. */
void ctgroup_forget(struct ctgroup *g);

/* Ids that have a directory in any hierarchy, so that leftovers can be found. Calls back once per
 * id. */
_must_check_ int ctgroup_list(
	struct ctgroup *g, void (*found)(const char *id, void *userdata), void *userdata);

/* OOM kills counted in the container's memory group, or -ENODATA where the kernel can't tell. */
int64_t ctgroup_oom_kills(struct ctgroup *g, const char *id);
/* Have its own group remember them: v1 counts them in the payload's alone, which liblxc removes
 * when it has ended. 0, or a negative errno. */
_must_check_ int ctgroup_keep_oom_kills(struct ctgroup *g, const char *id);

/* Remove the directories, as many and as deep as the container has made them: a worker's. 0, or
 * -EBUSY while something lives. */
_must_check_ int ctgroup_remove(struct ctgroup *g, const char *id);

/* SIGKILL everything in the container's tree (monitor included). Frozen ones are thawed first.
 * Waits at most @wait_ms for it to be empty: 0, -EBUSY, or why that can't be told. */
_must_check_ int ctgroup_kill(struct ctgroup *g, const char *id, int wait_ms);

/* Is anything in the tree frozen by our freezer group? 1, 0, or why it can't be told: what can't be
 * asked must not be taken for a no. */
_must_check_ int ctgroup_is_frozen(struct ctgroup *g, const char *id);

/* Write the freezer and wait until it is so, @wait_ms at most (< 0: for ever; a task in an
 * uninterruptible wait can take its time). Returns 0, -ETIMEDOUT with the wish left standing, or
 * what the write said. */
_must_check_ int ctgroup_set_frozen(struct ctgroup *g, const char *id, bool frozen, int wait_ms);

/* Does any process live in the container's tree? Likewise. */
_must_check_ int ctgroup_is_populated(struct ctgroup *g, const char *id);

/* A word about the container that its group remembers and that goes with it: who its init is
 * (lxc/ctprobe). Out of the container's reach. ctgroup_noted(): 1; 0 without a word or a group;
 * negative: can't be told. */
_must_check_ int ctgroup_note(struct ctgroup *g, const char *id, const char *text);
_must_check_ int ctgroup_noted(struct ctgroup *g, const char *id, char *ret, size_t size);

/* Its init has ended by reboot(2), and the group has not been cleared away since. Likewise. */
_must_check_ int ctgroup_note_reboot(struct ctgroup *g, const char *id, bool reboots);
_must_check_ int ctgroup_is_rebooting(struct ctgroup *g, const char *id);

/* How many cgroups2 the container may make, and how many in one another (cgroup.max.*): counted by
 * the kernel in the container's own group, whose files are not the container's. */
_must_check_ int ctgroup_bound(struct ctgroup *g, const char *id, int64_t groups, int64_t depth);

/* Take its v1 directories, which liblxc has given to the container's root, back to the host's: it
 * can make no groups there. LXC's words for them are "tasks" and "cgroup.procs" (chown_cgroup in
 * liblxc's cgfsng.c). */
_must_check_ int ctgroup_withdraw(struct ctgroup *g, const char *id, struct err *err);
/* Is any hierarchy v1? */
bool ctgroup_is_hybrid(const struct ctgroup *g);

/* Calls @each for every process of @leaf ("payload", "monitor"; NULL: all) until it returns
 * something else than 0, which is then returned. Negative: not all could be looked at. Walks all
 * that the container has made (lxc/cttree.h), so never on the loop. */
_must_check_ int ctgroup_each_pid(struct ctgroup *g, const char *id, const char *leaf,
	int (*each)(pid_t pid, void *userdata), void *userdata);

/* Move the calling process into the container's "worker" group, so that nothing it starts can get
 * lost. */
_must_check_ int ctgroup_enter_worker(struct ctgroup *g, const char *id);
/* The same into one that a launch has made; the container may be gone by now, with all its groups.
 */
_must_check_ int ctgroup_join_worker(struct ctgroup *g, const char *id);

/* Move the calling process to where it is already, which waits for what any move between groups
 * waits for (a grace period of the kernel's: some 10 ms) unless there was one just now. */
_must_check_ int ctgroup_stay(const struct ctgroup *g);

/* Have the kernel favour moves between groups, which then wait for nothing, over forks and ends of
 * processes, which take a memory barrier more: "favordynmods", an option of all of cgroup2
 * (cgroup-v2.rst), until it is mounted anew or the host boots. The other options stay as they are.
 * 1; 0 where it is so already, or not ours to say (in a cgroup namespace of our own); -EINVAL
 * before Linux 6.0. */
_must_check_ int ctgroup_favor_moves(const struct ctgroup *g);
/* Was it so when @g was opened? */
bool ctgroup_favors_moves(const struct ctgroup *g);

/* Move @pid into the container's payload, in every hierarchy. Where it can be, into a group of it
 * that is not the container's to freeze or to close: ".lxc", as liblxc calls its own, or another if
 * somebody inside has made that. */
_must_check_ int ctgroup_move_in(struct ctgroup *g, const char *id, pid_t pid);

/* Is @controller on a hierarchy of its own (v1)? */
bool ctgroup_has_v1(const struct ctgroup *g, const char *controller);
/* Does this host have @controller at all, of either version? One that was disabled at boot
 * (cgroup_disable=), or that isn't delegated to where we are, it hasn't. */
bool ctgroup_has(const struct ctgroup *g, const char *controller);

/* Read a small file of the container's payload group in the hierarchy of @controller.
 * NUL-terminated; 0 or a negative errno. */
_must_check_ int ctgroup_read(const struct ctgroup *g, const char *controller, const char *id,
	const char *file, char *ret, size_t size);

/* Write one; in another of its groups ("monitor"). -ENOENT also where the hierarchy does not have
 * the controller. */
_must_check_ int ctgroup_write_leaf(const struct ctgroup *g, const char *controller, const char *id,
	const char *leaf, const char *file, const char *text);
_must_check_ int ctgroup_write(const struct ctgroup *g, const char *controller, const char *id,
	const char *file, const char *text);

/* The directory of one of its groups in the hierarchy of @controller (NULL: the cgroup2 tree),
 * which may be the cgroup2 tree. The caller's descriptor, or -1 with errno. */
int ctgroup_dir(const struct ctgroup *g, const char *controller, const char *id, const char *leaf,
	bool *ret_unified);
