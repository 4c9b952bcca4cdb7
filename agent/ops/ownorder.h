/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders of the agent's own making: what follows from other orders, from time, and from what
 * containers do by themselves. Made and accepted in the open transaction; what isn't a valid order
 * (a container that has gone meanwhile) is none. */
#pragma once

#include <jansson.h>

#include "agent/state/desired.h"
#include "proto/oprules.h"

struct agent;

/* Ids may be NULL. @params_steals may be NULL: none. */
void ownorder_make(struct agent *a, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals);

/* For one share, by its id. */
void ownorder_share(struct agent *a, enum op op, const char *share_id);
/* A container is to be launched again (agent/host/ctwatch.h, rebooted). */
void ownorder_restart(struct agent *a, const struct container *c);
/* A container's root is another one now, or its state: whoever has directories of it looks
 * again. */
void ownorder_source_changed(struct agent *a, const struct container *c);
/* A container is gone: its shares are deleted. */
void ownorder_source_gone(struct agent *a, const char *container_id);
