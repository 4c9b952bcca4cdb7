/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the platform stands in files of a container's root: its environment, its key, its /hoody
 * tree. Gathered for the worker that writes them (job "files", agent/worker/worker_job.h), and what
 * it says recorded. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "agent/state/desired.h"

/* HOODY_* with the user's variables; the caller's. */
json_t *ctfiles_environment(const struct agent *a, const struct container *c);

/* params.files for a launch or a new root; the caller's. */
json_t *ctfiles_json(const struct agent *a, const struct container *c);

/* A job's result told of them. In the open transaction. */
void ctfiles_note(struct agent *a, const struct container *c, const json_t *result);
