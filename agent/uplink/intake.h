/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intake: an envelope becomes an accepted order, a duplicate, or a rejection (PROTOCOL.md section
 * 3). All of it goes into the open transaction. */
#pragma once

#include "agent/common/agent.h"

#include "proto/orderpack.h"

/* What one poll has brought: {} before its first envelope. */
struct intake {
	int64_t told[ORDERPACK_MAX]; /* rows of duplicates whose state was told again */
	size_t n_told;
	uint64_t gap_before; /* 0, or the seq that the first order that has to wait follows */
};

enum intake_verdict {
	INTAKE_ACCEPTED,
	INTAKE_DUPLICATE, /* known, with the same bytes: its state is reported again */
	INTAKE_REJECTED,  /* ours and authentic, but refused: journaled and reported */
	INTAKE_AHEAD,     /* authentic, but what was issued before it has not come: not taken yet */
	INTAKE_REFUSED,   /* can't be believed, or is not ours: counted and logged, nothing else */
};

enum intake_verdict intake_envelope(
	struct agent *a, struct intake *in, const void *envelope, size_t size);

/* An envelope with the next keyset (section 10.10): true when it is in force now. One that is not
 * above the present is none of anybody's faults: it comes until the API has heard. */
bool intake_keyset(struct agent *a, const void *envelope, size_t size);
