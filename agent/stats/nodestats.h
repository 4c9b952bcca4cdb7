/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the node uses: its load, memory, disk, and the agent's own part. */
#pragma once

#include <jansson.h>

#include "proto/base.h"

struct agent;
struct nodestats;

struct nodestats *nodestats_new(struct agent *a);
struct nodestats *nodestats_free(struct nodestats *s);

/* node.stats without its type; the caller's. Shares of processor time are since the last look,
 * whoever took it. */
json_t *nodestats_json(struct nodestats *s);
/* The host's load as the public API has a server's runtime, of a look that is two seconds old at
 * most, so that busy_pct is of an interval that says something. */
json_t *nodestats_runtime(struct nodestats *s);

/* Of this process (proc_pid_statm(5)); 0: can't be told. */
int64_t nodestats_resident_bytes(void);
