/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step machine, walked over every list length, every failing step, and a crash before every
 * event. */
#include "agent/engine/opstep.h"
#include "tests/unit/tap.h"

#define STEPS_MAX 6
#define MOVES_MAX 64

struct world {
	bool did[STEPS_MAX]; /* the act of the step has been done and not been undone */
	int acts, undos;
};

/* Walk a list of @n steps in which act @bad fails (-1: none), and the agent dies before the
 * @crash-th event. */
static enum opstep_action walk(unsigned n, int bad, int crash, struct world *w)
{
	struct opstep at = {};
	enum opstep_action action = opstep_next(&at, n, OPSTEP_BEGIN);

	for (int move = 0; move < MOVES_MAX; move++) {
		enum opstep_event event = OPSTEP_DONE;

		if (action == OPSTEP_SUCCEEDED || action == OPSTEP_FAILED)
			return action;
		if (action == OPSTEP_ACT) {
			w->acts++;
			w->did[at.step] = true; /* even a failing act may do something */
			if ((int)at.step == bad)
				event = OPSTEP_ERROR;
		} else {
			w->undos++;
			w->did[at.step] = false;
		}
		action = opstep_next(&at, n, move == crash ? OPSTEP_BEGIN : event);
	}
	return OPSTEP_ACT;
}

static bool is_as_it_should(unsigned n, int bad, const struct world *w, enum opstep_action end)
{
	bool want = bad < 0;

	if (end != (want ? OPSTEP_SUCCEEDED : OPSTEP_FAILED))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (w->did[i] != want)
			return false;
	return true;
}

int main(void)
{
	bool all = true, poison = true;

	for (unsigned n = 0; n <= STEPS_MAX; n++)
		for (int bad = -1; bad < (int)n; bad++)
			for (int crash = -1; crash < 2 * STEPS_MAX; crash++) {
				struct world w = {};

				all = all && is_as_it_should(n, bad, &w, walk(n, bad, crash, &w));
			}
	TAP_OK(all, "done whole or undone whole, whatever fails and whenever it dies");

	for (unsigned n = 0; n <= STEPS_MAX; n++)
		for (unsigned step = 0; step <= n; step++) {
			struct opstep at = { .step = step };
			enum opstep_action action = opstep_next(&at, n, OPSTEP_GIVE_UP);
			unsigned undone = 0;

			while (action == OPSTEP_UNDO && undone <= n) {
				undone++;
				action = opstep_next(&at, n, OPSTEP_ERROR);
			}
			poison = poison && action == OPSTEP_FAILED &&
				 undone == (step < n ? step + 1 : n);
		}
	TAP_OK(poison, "giving up undoes what was begun, and a failing undo stops nothing");
	return tap_done();
}
