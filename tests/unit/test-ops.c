/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of ops: each op has a row, and each of its steps a name and something to do. */
#include "agent/host/ctnet.h"
#include "agent/ops/ops.h"
#include "tests/unit/tap.h"

/* Of the worker's jobs those whose undo lets the container run again. */
static bool runs_when_undone(const struct opdef_step *s)
{
	return s->has_undo && s->job &&
	       (strcmp(s->job, "ended") == 0 || strcmp(s->job, "halt") == 0);
}

int main(void)
{
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		const struct opdef *def = ops_find((enum op)op);

		TAP_OK(def && def->check, "%s has a row", oprules_wire((enum op)op));
		for (unsigned i = 0; def && i < def->n_steps; i++) {
			const struct opdef_step *s = &def->steps[i];

			TAP_OK(opdef_step_name(s) && (s->job || s->here || s->wait),
				"its step %u is called %s", i, opdef_step_name(s));
			if (runs_when_undone(s))
				TAP_OK(s->undo_here == ctnet_before_launch,
					"undone, it has its network before it runs");
		}
	}
	return tap_done();
}
