/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every container is bounded by without having asked for it, so that none takes what is the
 * kernel's or its neighbours': the configuration's numbers, or, where it has none, so much of what
 * the host has. Read from /proc at each call: for the worker and hoodyctl, not for the agent's
 * loop. */
#pragma once

#include <stdint.h>

/* of the kernel's tasks one container may have one part in so many … */
#define CTBOUNDS_TASKS_SHARE 32
#define CTBOUNDS_TASKS_MIN   1024
#define CTBOUNDS_TASKS_MAX   16384

/* A number that the kernel shows in a file of its own; 0: it shows none. */
int64_t ctbounds_number(const char *path);

/* How many tasks the kernel has at most. */
int64_t ctbounds_host_tasks(void);
int64_t ctbounds_host_memory(void);

/* Of a container that has no limit of its own: @configured, or, where that is 0, a share of the
 * host's. */
int64_t ctbounds_tasks(int64_t configured);
int64_t ctbounds_memory(int64_t configured); /* bytes */
