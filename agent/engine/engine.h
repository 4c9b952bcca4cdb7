/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/engine: journal, act, record, report. Operations from acceptance to their one terminal
 * report.
 *
 * Here lie the order of orders (lane, pure), the walk over an op's steps with its undo (opstep,
 * pure), the workers that do them (worker), what an op's row looks like (op.h), and the engine that
 * turns. It knows no op, no container's network or mounts, no HTTP and no control API: rows are
 * found by a function that it is given, and struct engine_listener says who hears of an order.
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

#include "agent/engine/lane.h"
#include "agent/engine/op.h"
#include "agent/engine/opstep.h"
#include "agent/engine/worker.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "proto/order.h"

struct agent;
struct engine;

struct operation {
	struct lane_ticket ticket; /* first: tickets are turned back into operations */
	struct agent *agent;
	struct operation *prev, *next; /* all unfinished ones */
	struct operation *queue_next;  /* in the one queue that it is in */
	int64_t row;
	struct order order;
	char origin[JOURNAL_ORIGIN_MAX];
	const struct opdef *def; /* NULL: not implemented */
	struct opstep at;
	unsigned attempts;
	bool last_attempt; /* runs alone: one more death, and it is quarantined */
	bool announced;    /* a report has told that it was accepted or runs */
	int64_t received_ms, started_ms, finished_ms;
	int64_t began_ms;    /* elapsed, as started_ms; 0: before this process */
	int64_t progress_ms; /* elapsed, when one was told of last */
	enum ct_status prev_status;
	struct worker *worker;
	struct operation *holder_next; /* of those that have a worker */
	void *waits;                   /* of a step's wait(), and how it is given up; or NULL */
	void (*waits_free)(void *waits);
	int last_r;        /* of the last act or undo */
	unsigned retries;  /* of the present step: an undo's that failed, a worker's that died */
	bool died;         /* the last worker did */
	bool begun;        /* in this process */
	bool has_position; /* waited for a worker with its next step decided */
	json_t *result;
	/* what the last job gave back that had something to say; lost in a crash */
	json_t *step_data;
	struct err err; /* why it failed, as far as it has */
};

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

/* When its first attempt began, by the clock as it is now: one that was set meanwhile measures
 * nothing. 0: it has not. */
int64_t engine_started_ms(const struct operation *op);

/* End of a turn: run what may run, commit, act; until nothing is left to do now. */
void engine_turn(struct engine *e);

/* Does an unfinished operation hold this container's lane? */
bool engine_is_busy(const struct engine *e, const char *container_id);
/* Who is in the lanes of an order that has not been accepted? */
enum engine_traffic {
	ENGINE_FREE, /* nobody, or those alone whose turn passes in milliseconds */
	ENGINE_OWN,  /* what takes its time, and all of it is of the agent's own making */
	ENGINE_SLOW, /* somebody's operation that takes its time */
};
enum engine_traffic engine_traffic(const struct engine *e, const struct order *o);
size_t engine_unfinished(const struct engine *e);
/* The lanes of all containers that there are or that unfinished orders name; of one project's, or
 * (NULL) of all. */
void engine_add_lanes(const struct engine *e, const char *project_id, struct oprules_lanes *l);
/* For what makes a container: the lane of its project, while an unfinished order before it concerns
 * the whole project (its deletion, what is shared with it), which can't have known of this
 * container. */
void engine_follow_project(struct agent *a, const struct order *o, struct oprules_lanes *l);
/* The unfinished order that is to make this share, or NULL. */
const struct order *engine_find_share(const struct engine *e, const char *share_id);
/* The newest unfinished order of @op for the container, or NULL. */
const struct order *engine_find(const struct engine *e, enum op op, const char *container_id);

/* The unfinished operation after @after (NULL: the first) that has passed its check, or NULL. */
const struct operation *engine_next_begun(const struct engine *e, const struct operation *after);
