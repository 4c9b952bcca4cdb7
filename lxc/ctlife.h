/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's life on liblxc: the only file that calls it, linked by the worker alone, since
 * these calls block, and on a stopped monitor for ever.
 *
 * The monitor of a started container inherits its starter's signal mask and dispositions, limits,
 * environment, descriptors, oom score and memory image: ctlife_reset sets all of it back to what a
 * fresh process has. Call it once, first. */
#pragma once

#include "lxc/ctconf.h"
#include "lxc/ctgroup.h"
#include "lxc/ctuserns.h"

/* What no container asked for, and each has (agent.conf(5), section Containers). */
struct ctlife_bounds {
	bool wanted;
	int64_t cgroups, cgroup_depth;
	struct ctuserns_bounds user;
	int64_t tasks, memory; /* of one that has no such limit; 0: none */
};

struct ctlife {
	struct ctspec spec;
	struct ctconf_paths paths;
	struct ctgroup *groups;
	struct ctlife_bounds bounds;
	struct ctuserns spaces; /* by ctlife_prepare(); all 0: not yet */
	/* NULL, or how a launch makes the container's link: begun when its network namespace is in
	 * the making (who begins waits for it), beside all else that there is to do; and waited
	 * for last of all before there are processes of the container's. */
	int (*begin_link)(void *userdata, const struct ctuserns *u, struct err *err);
	int (*end_link)(void *userdata, struct err *err);
	/* NULL, or what else has to be there before a start, done meanwhile: nothing that a
	 * predecessor left runs any more. */
	int (*make_ready)(void *userdata, struct err *err);
	void *userdata;
	int monitors; /* borrowed: where a launch's monitor listens (lxc/ctmonitor), or negative */
};

void ctlife_reset(void);

/* Its limits, and where it has none what it is bounded by. */
struct ctspec_limits ctlife_limits(const struct ctlife *l, const struct ctspec_limits *own);

/* 1: it runs, after a start that its worker has lived to the end of; else 0, or negative when that
 * can't be said. A container whose init is there already is ended by its monitor when that finds
 * its starter dead (lxc_spawn in liblxc's start.c). @ret_pid and @ret_pidfd as of
 * ctprobe_look(). */
_must_check_ int ctlife_is_started(
	const struct ctlife *l, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* Have the namespaces of its next launch made, of which the network's takes its time: beside
 * whatever its caller does until then. Changes nothing else; a launch does it where nobody has. */
_must_check_ int ctlife_prepare(struct ctlife *l, struct err *err);
/* They are not needed, or no longer: of a launch, too, whose answer needn't wait for their ends. */
void ctlife_let_go(struct ctlife *l);

/* Bring it up: clears away what a killed predecessor left, starts, checks by the kernel that init
 * runs and has a seccomp filter of its own, and that the limits are in force. Running already:
 * success. @ret_pidfd is the caller's. Blocks some 20 ms; the deadline is the agent's. */
_must_check_ int ctlife_launch(struct ctlife *l, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* Ask init to end (lxc/ctsignal), wait until it has, and leave no group; one that hears nothing is
 * killed, but for one that was @asked before and heard. -ETIMEDOUT (TIMEOUT) after @timeout_ms: it
 * goes on running. */
_must_check_ int ctlife_shutdown(struct ctlife *l, bool asked, int64_t timeout_ms, struct err *err);

/* Its init has ended: what is left goes, in its own time as far as it takes little of that. */
_must_check_ int ctlife_ended(struct ctlife *l, struct err *err);

/* Ask init to end, and don't wait. Returns whether it hears; nothing runs: nothing is done. */
bool ctlife_ask(const struct ctlife *l);

/* After an end that nobody ordered: remember the init that has taken the place of the old one, or,
 * when it is @over, clear away what is there without an init. Before, what the groups remember is
 * still to be read. Never beside a launch. */
_must_check_ int ctlife_look_after(struct ctlife *l, bool over, struct err *err);

/* End everything of it, whatever state it or its monitor is in. Needs nobody's help. */
_must_check_ int ctlife_kill(struct ctlife *l, struct err *err);

_must_check_ int ctlife_freeze(struct ctlife *l, struct err *err);
_must_check_ int ctlife_thaw(struct ctlife *l, struct err *err);
