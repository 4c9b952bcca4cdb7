/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/engine/opstep.h"

static enum opstep_action undo_one_less(struct opstep *at)
{
	if (at->step == 0)
		return OPSTEP_FAILED;
	at->step--;
	return OPSTEP_UNDO;
}

static enum opstep_action act_or_end(const struct opstep *at, unsigned n)
{
	return at->step < n ? OPSTEP_ACT : OPSTEP_SUCCEEDED;
}

enum opstep_action opstep_next(struct opstep *at, unsigned n, enum opstep_event event)
{
	assert(at->step <= n);
	switch (event) {
	case OPSTEP_BEGIN:
		if (!at->undoing)
			return act_or_end(at, n);
		return at->step < n ? OPSTEP_UNDO : undo_one_less(at);
	case OPSTEP_DONE:
		if (at->undoing)
			return undo_one_less(at);
		assert(at->step < n);
		at->step++;
		return act_or_end(at, n);
	case OPSTEP_ERROR:
		if (at->undoing)
			return undo_one_less(at);
		/* The failed step may have done half of its work: its own undo comes first. */
		at->undoing = true;
		return at->step < n ? OPSTEP_UNDO : undo_one_less(at);
	case OPSTEP_GIVE_UP:
		at->undoing = true;
		return at->step < n ? OPSTEP_UNDO : undo_one_less(at);
	}
	assert(false); /* an event without a rule */
	return OPSTEP_FAILED;
}
