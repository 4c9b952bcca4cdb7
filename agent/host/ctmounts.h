/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the host is to be mounted in a container: the shares that are meant for it, and its
 * ramdisk. Worked out anew from the wanted state each time. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "agent/state/desired.h"

/* As storage/mounts.h has it; the caller's. */
json_t *ctmounts_wanted(const struct agent *a, const struct container *c);
/* The same for a container whose spec is to be this one. */
json_t *ctmounts_wanted_by(const struct agent *a, const struct ctspec *spec);

/* The containers that a share is meant for and that run, as {"id","mounts"}. @deleted: as if the
 * share were not there any more. */
json_t *ctmounts_targets(const struct agent *a, const json_t *share, bool deleted);

/* Is something else at @place in any container that the share is meant for? */
bool ctmounts_is_taken(const struct agent *a, const json_t *share, const char *place);

/* Called when one target alone can't say what a share's status is: all its targets must be looked
 * at again. */
typedef void (*ctmounts_look_again)(struct agent *a, const char *share_id);

/* A job's result told what is mounted: shares' statuses are recorded and reported. @about: the
 * share that all targets were looked at for, or NULL. In the open transaction. */
void ctmounts_note(
	struct agent *a, const json_t *result, const char *about, ctmounts_look_again look_again);
