/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The liblxc configuration of a container: generated whole, never parsed back
 * (lxc.container.conf(5)). Pure.
 *
 * No includes (distributions' bring hooks that cost as much as the start), no hooks but ours, no
 * value with a control byte. */
#pragma once

#include "lxc/ctspec.h"
#include "proto/base.h"
#include "proto/err.h"

/* Of init's and a session's variables, half of what execve(2) takes with the usual stack. What is
 * beyond it stays out: with it nothing could be started. */
#define CTCONF_ENVIRONMENT_MAX (1024UL * 1024)
/* Is there room for this variable, too? Then @room, which begins as CTCONF_ENVIRONMENT_MAX, is less
 * by it. */
bool ctconf_has_room(size_t *room, const char *name, const char *value);

struct ctconf_paths {
	const char *lxc;    /* <StateDirectory>/lxc */
	const char *rootfs; /* <Pool>/containers/<id>/rootfs */
	const char *run;    /* <RuntimeDirectory> */
	const char *cgroup_prefix;
	const char *groups;        /* the command that looks after its cgroups, or NULL */
	const char *mounts;        /* the command that mounts what is shared with it, or NULL */
	const json_t *environment; /* {name: text} of init; what no item can carry is left out */
};

/* What this host has: a key for a hierarchy that is not there is either refused by liblxc or,
 * worse, accepted without effect. */
struct ctconf_host {
	bool hybrid, v1_memory, v1_cpu, v1_pids, v1_devices;
	bool apparmor;
};

/* Calls @set for every item in order; its first negative result ends the walk and is returned. */
int ctconf_each(const struct ctspec *s, const struct ctconf_paths *p, const struct ctconf_host *h,
	int (*set)(const char *key, const char *value, void *userdata), void *userdata);

/* The seccomp policy (liblxc's own format, version 2): what no container needs and hosts have been
 * broken with. */
extern const char ctconf_seccomp_policy[];
