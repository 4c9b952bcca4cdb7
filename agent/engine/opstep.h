/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step machine: an act op is a list of steps, walked forwards by `act` and, after a failure,
 * backwards by `undo`. Pure.
 *
 * The position (step, undoing) is journaled before what it stands for is done, so that after a
 * crash the walk goes on where it was: `act` and `undo` are idempotent, and the one that was
 * interrupted is simply done again. */
#pragma once

#include "proto/base.h"

struct opstep {
	unsigned step; /* index of the step that acts or is undone */
	bool undoing;
};

enum opstep_action {
	OPSTEP_ACT,       /* do act of `step` */
	OPSTEP_UNDO,      /* do undo of `step` */
	OPSTEP_SUCCEEDED, /* all acts are done */
	OPSTEP_FAILED,    /* all is undone */
};

enum opstep_event {
	OPSTEP_BEGIN, /* fresh, or resumed after a crash: (again) what the position says */
	OPSTEP_DONE,  /* the act or undo of the position succeeded */
	OPSTEP_ERROR, /* it failed. A failed undo is passed over: the rest is undone all the same */
	OPSTEP_GIVE_UP, /* undo everything up to and with the position (poison) */
};

/* Moves *@at over a list of @n steps and says what is to be done now. */
enum opstep_action opstep_next(struct opstep *at, unsigned n, enum opstep_event event);
