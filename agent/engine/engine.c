/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation is an order from its acceptance to its end. It waits in its lanes, then in
 * `ready` for its turn; a turn advances what is ready to its next step and puts it into
 * `acting`, commits, and only then begins what is acting. So the journal always knows of what is
 * begun: where the operation stands, whether it is undone, and how many attempts there were. A
 * worker's result, or engine_go_on(), puts it into `ready` again.
 *
 * Which step comes next is decided by the pure agent/engine/opstep.h, what a step is by the op's
 * table: nothing here knows an op. With no worker to be had it is `starved`; `held` is what must
 * not begin, or launch a container, while the host goes down, and what must not begin while another
 * has its last attempt, which runs alone.
 *
 * A successor takes up what has not ended where the journal has it; what the agent died of too
 * often is undone. The engine owns operations and lanes; containers' status is its listener's. */
#include "agent/engine/engine.h"

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/engine/engine_self.h"
#include "agent/engine/opwalk.h"
#include "agent/engine/unfinished.h"
#include "agent/report/tell.h"
#include "agent/state/history.h"
#include "agent/state/store.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define PRUNE_EVERY 4096

void engine_accept(struct engine *e, struct order *take, const char *origin)
{
	struct operation *op = unfinished_add(e, take, origin);

	op->received_ms = agent_now_ms();
	op->row = journal_add(
		e->agent->store, &op->order, origin, op->received_ms, JOURNAL_ACCEPTED, NULL);
	LOG(LOG_DEBUG, ORDER_ACCEPTED,
		FIELDS(.order_id = op->order.id, .seq = (int64_t)op->order.seq,
			.op = op->order.op_name, .container_id = op->order.container_id,
			.origin = op->origin),
		"order %s (%s) accepted", op->order.id, op->order.op_name);
	unfinished_join_lanes(e, op);
}

void engine_go_on(struct operation *op, int r)
{
	op->last_r = r;
	operation_push(&op->agent->engine->ready, op);
}

/* --- turns --- */

/* One report tells that an order was taken in; one that has ended in the same turn needs none. */
static void announce(struct engine *e)
{
	for (struct operation *op = e->all; op; op = op->next) {
		if (op->announced)
			break; /* new ones stand in front */
		op->announced = true;
		operation_tell(op, op->begun ? JOURNAL_RUNNING : JOURNAL_ACCEPTED, NULL);
	}
}

void engine_turn(struct engine *e)
{
	struct agent *a = e->agent;
	struct operation *op;

	do {
		while ((op = operation_pop(&e->ready)))
			opwalk_advance(e, op);
		announce(e);
		if (e->ended >= PRUNE_EVERY) {
			e->ended = 0;
			journal_prune(a->store);
			history_prune(a->store);
		}
		e->listener->before_commit(a);
		store_must(store_commit(a->store));
		while ((op = operation_pop(&e->acting)))
			opwalk_act(op);
		e->listener->after_commit(a);
	} while (e->ready.head || store_is_dirty(a->store));
	worker_pool_warm(a->workers);
}

static void on_worker_free(void *userdata)
{
	struct engine *e = userdata;
	struct operation *before = NULL, *op = e->starved.head;

	while (op && unfinished_has_share(e, op)) {
		before = op;
		op = op->queue_next;
	}
	if (!op)
		return;
	operation_pull(&e->starved, before, op);
	operation_push(&e->ready, op);
}

/* --- life --- */

/* When the agent was asked to end nothing has died: the attempt does not count towards
 * quarantine. For an op that must not be repeated it was an attempt all the same, so one
 * stays. */
static void forgive_attempts(struct engine *e)
{
	for (struct operation *op = e->all; op; op = op->next)
		if (op->begun && !op->at.undoing && op->attempts > 1)
			journal_attempt(e->agent->store, op->row, op->attempts - 1, op->started_ms,
				desired_status_name(op->prev_status));
	store_must(store_commit(e->agent->store));
}

int engine_new(struct agent *a, const struct opdef *(*find)(enum op op),
	const struct engine_listener *listener, struct engine **ret)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->agent = a;
	e->find = find;
	e->listener = listener;
	e->ended = PRUNE_EVERY; /* its predecessors may all have had fewer */
	e->lanes = lane_table_new();
	worker_pool_on_free(a->workers, on_worker_free, e);
	*ret = e;
	return 0;
}

struct engine *engine_free(struct engine *e)
{
	if (!e)
		return NULL;
	worker_pool_on_free(e->agent->workers, NULL, NULL); /* others let theirs go after us */
	forgive_attempts(e);
	/* Unfinished operations stay in the journal; the next agent takes them up. Lanes die with
	 * their table, so they are emptied in any order. */
	e->starved = (struct operation_queue){};
	e->held = (struct operation_queue){};
	for (struct operation *op = e->all; op; op = op->next)
		lane_forget(e->lanes, &op->ticket);
	while (e->all)
		unfinished_remove(e, e->all);
	lane_table_free(e->lanes);
	free(e);
	return NULL;
}

static void recover_one(struct journal_entry *j, void *userdata)
{
	struct engine *e = userdata;
	struct order order = {};
	struct operation *op;
	struct err err = {};

	if (order_parse(j->payload, j->payload_size, &order, &err) < 0) {
		/* The order was valid when it was journaled: the state file was changed under
		 * us. Let the order end rather than block its lane. */
		_cleanup_json_ json_t *error = errjson_make(&err);
		_cleanup_(freep) char *text = jsonx_dump(error);

		order_done(&order);
		journal_finish(e->agent->store, j->row, JOURNAL_FAILED, j->started_ms,
			agent_now_ms(), NULL, text);
		tell_row(e->agent, j->row);
		return;
	}
	op = unfinished_add(e, &order, j->origin);
	op->row = j->row;
	op->attempts = j->attempts;
	op->last_attempt = !j->undoing && j->attempts + 1 == JOURNAL_ATTEMPTS_MAX;
	if (op->last_attempt)
		e->n_last_attempts++;
	op->at = (struct opstep){ .step = j->step, .undoing = j->undoing };
	op->received_ms = j->received_ms;
	op->started_ms = j->started_ms;
	op->announced = true;
	op->prev_status = desired_status_find(j->prev_status);
	if (j->error) {
		_cleanup_json_ json_t *error = json_loads(j->error, 0, NULL);

		(void)errjson_read(error, -EREMOTEIO, &op->err);
	}
	unfinished_join_lanes(e, op);
}

void engine_recover(struct engine *e)
{
	journal_unfinished(e->agent->store, recover_one, e);
}
