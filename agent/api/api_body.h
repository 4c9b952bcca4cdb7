/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies of the public API as parameters of an op: both published spellings of each field,
 * by the tables of api_bodies.def. */
#pragma once

#include "agent/api/api.h"

/* The caller's; NULL: refused, @err says why, in the caller's spelling. Members that only the
 * control plane knows are passed over. */
json_t *api_body_params(enum op op, const struct api_call *c, struct err *err);
