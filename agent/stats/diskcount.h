/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much the roots take for which no file system counts (agent/stats/diskuse.h): a worker walks
 * one after the other, on a clock of its own. Each is counted again after Storage.CountIntervalSec
 * at the earliest, and walking takes a twentieth of the time at most, however many there are; never
 * the last worker. Kept in memory: what is read is the last count. It sleeps until the next is
 * due.
 *
 * What there is for ramdisks is shared out anew as often (storage/ramdisk.h). */
#pragma once

#include "agent/common/agent.h"
#include "agent/state/desired.h"

struct diskcount;

_must_check_ int diskcount_new(struct agent *a, struct diskcount **ret);
struct diskcount *diskcount_free(struct diskcount *d);

/* Once at first, and after a change of the configuration. */
void diskcount_reload(struct diskcount *d);

/* There may be a container that it hasn't seen. */
void diskcount_wake(struct diskcount *d);

/* Bytes, or -1: not counted yet, and counted soon. */
int64_t diskcount_of(struct diskcount *d, const struct container *c);
/* What a root-measure job has found. */
void diskcount_note(struct diskcount *d, const char *id, const json_t *result);
