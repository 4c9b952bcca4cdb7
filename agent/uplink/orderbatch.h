/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a poll has brought, until all of it is judged: a slice in each turn, since a courier that
 * was taken over could fill a frame with what takes half a second to refuse. */
#pragma once

#include "agent/common/agent.h"
#include "proto/nodecall.h"

struct orderbatch;

struct orderbatch_end {
	uint64_t head_seq, n_orders;
	uint64_t gap_before; /* as struct intake's */
	bool rotated;        /* there is a new keyset */
};

/* Takes what is in @got->pack. @done is called once, from the loop, unless orderbatch_free() comes
 * first; it frees the batch. -EBADMSG: there is less in it than it says. */
_must_check_ int orderbatch_new(struct agent *a, struct nodecall_orders *got,
	void (*done)(const struct orderbatch_end *end, void *userdata), void *userdata,
	struct orderbatch **ret);
struct orderbatch *orderbatch_free(struct orderbatch *b);
