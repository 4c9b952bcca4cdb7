/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that orders must be signed with, as the agent goes by them (agent/state/trust). */
#pragma once

#include <jansson.h>

#include "agent/common/conf.h"
#include "proto/keyset.h"

/* Those of the file, or newer ones that the agent has had by orders: @status is what it says of
 * itself, NULL where it doesn't answer. -ENOENT: there are none. */
_must_check_ int ctl_trust_read(
	const struct conf *c, const json_t *status, struct keyset *ret, struct err *err);
