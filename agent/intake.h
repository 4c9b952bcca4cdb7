/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intake: an envelope becomes an accepted order, a duplicate, or a rejection (protocol.md section
 * 3). All of it goes into the open transaction. */
#pragma once

#include "agent/agent.h"

enum intake_verdict {
	INTAKE_ACCEPTED,
	INTAKE_DUPLICATE, /* known, with the same bytes: its state is reported again */
	INTAKE_REJECTED,  /* ours and authentic, but refused: journaled and reported */
	INTAKE_REFUSED,   /* can't be believed, or is not ours: counted and logged, nothing else */
};

enum intake_verdict intake_envelope(struct agent *a, const void *envelope, size_t size);
