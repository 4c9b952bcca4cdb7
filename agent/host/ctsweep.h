/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links that nobody needs any more are removed.
 *
 * A link goes with its container's namespace, but that lives on for as long as the kernel still
 * says farewell for one of its connections: minutes. And a launch may have died half-way. */
#pragma once

#include "proto/base.h"

struct agent;
struct ctsweep;

_must_check_ int ctsweep_new(struct agent *a, struct ctsweep **ret);
struct ctsweep *ctsweep_free(struct ctsweep *s);

/* Soon look at the link of a container that has ended; NULL: at all links. */
void ctsweep_soon(struct ctsweep *s, const char *container_id);
