/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/engine: journal, act, record, report. Operations from acceptance to their one terminal
 * report.
 *
 * Here lie the order of orders (lane, pure), which step comes next (opstep, pure), the walk over an
 * op's steps with its undo (opwalk), what has not ended and who may ask of it (operation,
 * unfinished), the workers that do the steps (worker), what an op's row looks like (opdef), and the
 * engine that turns. It knows no op, no container's network or mounts, no HTTP and no control API:
 * rows are found by a function that it is given, and struct engine_listener says who hears of an
 * order.
 *
 * ops, uplink, api and daemon may call it, and host for lanes and workers. It may touch the journal
 * and the wanted state, and worker processes.
 *
 * The engine advances in turns. During a turn of the event loop, intake and results only change
 * memory and the open transaction. At the end of the turn the transaction is committed once for
 * everything that came together, and only then are the acts begun that the commit has journaled:
 * journal, act, record, report. A crash at any point finds a journal that is never behind what was
 * done. */
#pragma once

#include "agent/engine/operation.h"

struct agent;
struct engine;

/* Who hears of an order, and in which order. All are needed; each is called on the loop. */
struct engine_listener {
	/* A step's job is done, as an act or an undo (op->at.undoing), and well. @c: the order's
	 * container, or NULL. A descriptor of @res may be taken. In the open transaction. */
	void (*acted)(struct operation *op, struct container *c, struct worker_result *res);
	/* It has ended, which is journaled and reported. In the open transaction. */
	void (*ended)(struct operation *op, enum journal_state state);
	/* It is no more, and out of its lanes. */
	void (*left)(struct agent *a);
	/* … among them that of this container. */
	void (*lane_left)(struct agent *a, struct container *c);
	/* A turn's commit, which makes durable what has been told until now. */
	void (*before_commit)(struct agent *a);
	void (*after_commit)(struct agent *a);
};

/* @find: an op's row, or NULL: it is valid, and none that this agent knows. Both stay the
 * caller's. */
_must_check_ int engine_new(struct agent *a, const struct opdef *(*find)(enum op op),
	const struct engine_listener *listener, struct engine **ret);
struct engine *engine_free(struct engine *e);

/* Take up what the journal holds unfinished. Once, at start. */
void engine_recover(struct engine *e);

/* An order that is valid and new: journal it and queue it. In the open transaction. */
void engine_accept(struct engine *e, struct order *take, const char *origin);

/* What an operation has waited for on the loop is over: @r as of its step, with op->err. */
void engine_go_on(struct operation *op, int r);

/* End of a turn: run what may run, commit, act; until nothing is left to do now. */
void engine_turn(struct engine *e);
