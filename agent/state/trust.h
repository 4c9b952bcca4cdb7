/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom the agent trusts: the keyset of the TrustedKeys file, or a later one that it was rotated to
 * and has stored. */
#pragma once

#include "agent/common/agent.h"

/* Load a->keyset: the stored one when its version is higher than the file's, which an operator may
 * replace to start over with a newer root. Without either, has_keyset stays false and no remote
 * order is accepted. */
_must_check_ int trust_load(struct agent *a, struct err *err);

/* The version of the stored one; 0: there is none. */
int64_t trust_version_by_orders(const struct agent *a);

/* Judge an envelope with the next keyset, and from then on trust that alone; in the open
 * transaction. The courier is to be told (struct agent_listener). Errors as rotate_keyset's. */
_must_check_ int trust_rotate(struct agent *a, const void *envelope, size_t size, struct err *err);
