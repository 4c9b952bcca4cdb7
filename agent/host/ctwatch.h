/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/host: what is made equal to the wish, and watched, by the agent itself.
 *
 * Here lie the network (ctnet, ctflows, drift, forwarder), the life of containers as the kernel
 * tells it (ctwatch, ctstop), what is to be mounted and written (ctmounts, ctfiles, proxydir),
 * where images come from (imagejob) and the pool begins (pooldir), and the processes beside us: how
 * a leaf is kept alive (leaf) and what it sees of names (namefiles).
 *
 * ops and what is above may call it. It may touch nftables, rtnetlink, cgroups, pidfds, the proxy's
 * directory and our leaves; a container's own tree is a worker's. It orders nothing: who owns a
 * container decides what follows from its end (struct ctwatch_owner), from a forwarder's
 * (forwarder_owner), or from a mount that failed.
 *
 * This header watches the init of every running container by its pidfd, so that an end that nobody
 * ordered is noticed at once and costs nothing until then.
 *
 * While an operation holds the container's lane an end is only remembered: the operation decides
 * what it means. An init that has asked for a restart by reboot(2) is no end that nobody ordered:
 * whoever owns the container launches it, with all that has changed since its launch. liblxc
 * doesn't (lxc/ctconf.c). */
#pragma once

#include <sys/types.h>

#include <jansson.h>

#include "agent/common/agent.h"
#include "agent/state/desired.h"

/* Who is told of what nobody ordered, and decides what follows (struct agent's ctwatch_owner). */
struct ctwatch_owner {
	/* It ended at @ended_ms; why, as far as the kernel still tells. @booted: with the host. */
	void (*ended)(struct agent *a, struct container *c, int64_t ended_ms, bool booted,
		json_t *cause_steals);
	/* It is to be launched again: its init has asked for it, or liblxc has restarted it (which
	 * is a monitor that an older agent has made). */
	void (*rebooted)(struct agent *a, const struct container *c);
};

/* Watch this init. Takes @pidfd. Replaces what was watched. */
void ctwatch_attach(struct agent *a, struct container *c, pid_t pid, int pidfd);
void ctwatch_detach(struct container *c);

/* Ask the kernel how the container is (running, paused, stopped), and watch its init or stop
 * watching. One whose end is not decided yet is as it was. */
enum ct_status ctwatch_observe(struct agent *a, struct container *c);

/* The same at the agent's start, before there is a loop that could wait: an init that its group
 * doesn't remember (an older agent's) is searched for. */
enum ct_status ctwatch_adopt(struct agent *a, struct container *c);

/* One that ran is not there, and an unfinished operation has it, which may not care: an end that is
 * remembered. @booted: the host has. */
void ctwatch_miss(struct agent *a, struct container *c, bool booted);

/* An operation has left the container: look into what was remembered. */
void ctwatch_settle(struct agent *a, struct container *c);

/* What an end has left in its groups, or (@over false) a new init that they don't remember yet, by
 * a worker that nobody waits for: a container's tree may be of any size. What that leaves (no
 * worker was to be had) goes with the next order. */
void ctwatch_look_after(struct agent *a, const struct container *c, bool over);

/* What is said of an end that no agent has seen. */
const char *ctwatch_unseen(bool booted);

/* 0 when nothing runs. */
pid_t ctwatch_pid(const struct container *c);
