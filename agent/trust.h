/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom the agent trusts: the keyset of the TrustedKeys file, or a later one that it was rotated to
 * and has stored. */
#pragma once

#include "agent/agent.h"

/* Load a->keyset: the stored one when its version is higher than the file's, which an operator may
 * replace to start over with a newer root. Without either, has_keyset stays false and no remote
 * order is accepted. */
_must_check_ int trust_load(struct agent *a, struct err *err);

/* From now on trust @next alone. In the open transaction. */
void trust_adopt(struct agent *a, const struct keyset *next);
