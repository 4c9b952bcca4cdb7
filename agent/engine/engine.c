/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation is an order from its acceptance to its end. It waits in its lanes, then in
 * `ready` for its turn; a turn advances what is ready to its next step and puts it into
 * `acting`, commits, and only then begins what is acting. So the journal always knows of what is
 * begun: where the operation stands, whether it is undone, and how many attempts there were. A
 * worker's result, or engine_go_on(), puts it into `ready` again.
 *
 * Which step comes next is decided by the pure agent/engine/opstep.h, what a step is by the op's
 * table: nothing here knows an op. With no worker to be had it is `starved`; `held` is what must
 * not begin while the host goes down or another has its last attempt, which runs alone.
 *
 * A successor takes up what has not ended where the journal has it; what the agent died of too
 * often is undone. The engine owns operations and lanes; containers' status is its listener's. */
#include "agent/engine/engine.h"
#include "agent/state/journal.h"

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/report/tell.h"
#include "agent/state/history.h"
#include "agent/state/store.h"
#include "lxc/ctspec.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define CLOCK_SET_MS    1000 /* off by more than this is no slew */
#define PROGRESS_MS     1000 /* a progress report a second at most, per order */
#define UNDO_TIMEOUT_MS (120 * 1000)
/* A worker that minds its own time reports the timeout itself, a little before we kill it. */
#define DEADLINE_MARGIN_MS 2000
#define UNDO_ATTEMPTS_MAX  (2 * JOURNAL_ATTEMPTS_MAX)
#define RETRIES_MAX        3
#define PRUNE_EVERY        4096
#define KEPT_PART          4 /* of the workers: for other projects than the one that has the rest */

struct queue {
	struct operation *head, *tail;
};

struct engine {
	struct agent *agent;
	const struct opdef *(*find)(enum op op);
	const struct engine_listener *listener;
	struct lane_table *lanes;
	struct operation *all;
	size_t n;
	struct queue ready;        /* first in all their lanes, or with a result to go on with */
	struct queue starved;      /* wait for a worker */
	struct queue acting;       /* journaled in the open transaction: act once it is durable */
	struct queue held;         /* not begun, as one on its last attempt must run alone */
	struct operation *holders; /* have a worker */
	struct operation *alone;
	size_t n_last_attempts; /* unfinished ones that must run alone, e->alone among them */
	uint64_t ended;
	bool pruned;
};

static void push(struct queue *q, struct operation *op)
{
	op->queue_next = NULL;
	if (q->tail)
		q->tail->queue_next = op;
	else
		q->head = op;
	q->tail = op;
}

static struct operation *pop(struct queue *q)
{
	struct operation *op = q->head;

	if (op) {
		q->head = op->queue_next;
		if (!q->head)
			q->tail = NULL;
		op->queue_next = NULL;
	}
	return op;
}

static void append(struct queue *q, struct queue *from)
{
	struct operation *op;

	while ((op = pop(from)))
		push(q, op);
}

/* --- operations come and go --- */

static struct operation *operation_new(struct engine *e, struct order *take, const char *origin)
{
	struct operation *op = xcalloc(1, sizeof(*op));

	op->agent = e->agent;
	op->order = *take;
	*take = (struct order){};
	(void)snprintf(op->origin, sizeof(op->origin), "%s", origin);
	op->def = e->find(op->order.op);
	op->next = e->all;
	if (e->all)
		e->all->prev = op;
	e->all = op;
	e->n++;
	return op;
}

static void let_worker_go(struct engine *e, struct operation *op)
{
	struct operation **at = &e->holders;

	if (!op->worker)
		return;
	while (*at != op)
		at = &(*at)->holder_next;
	*at = op->holder_next;
	op->worker = worker_release(op->worker);
}

static void operation_free(struct engine *e, struct operation *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		e->all = op->next;
	if (op->next)
		op->next->prev = op->prev;
	e->n--;
	let_worker_go(e, op);
	if (op->waits)
		op->waits_free(op->waits);
	order_done(&op->order);
	json_decref(op->result);
	json_decref(op->step_data);
	if (op->last_attempt)
		e->n_last_attempts--;
	if (e->alone == op) {
		e->alone = NULL;
		append(&e->ready, &e->held);
	}
	free(op);
}

static void on_lane_ready(struct lane_ticket *ticket, void *userdata)
{
	struct engine *e = userdata;

	push(&e->ready, (struct operation *)ticket);
}
static_assert(offsetof(struct operation, ticket) == 0, "a ticket is its operation");

static void join_lanes(struct engine *e, struct operation *op)
{
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	oprules_lanes(op->order.op, op->order.container_id, op->order.project_id, op->order.params,
		&lanes);
	if (op->def && op->def->lanes)
		op->def->lanes(e->agent, &op->order, &lanes);
	if (lane_join(e->lanes, &op->ticket, &lanes))
		push(&e->ready, op);
}

void engine_accept(struct engine *e, struct order *take, const char *origin)
{
	struct operation *op = operation_new(e, take, origin);

	op->received_ms = agent_now_ms();
	op->row = journal_add(
		e->agent->store, &op->order, origin, op->received_ms, JOURNAL_ACCEPTED, NULL);
	LOG(LOG_DEBUG, ORDER_ACCEPTED,
		FIELDS(.order_id = op->order.id, .seq = (int64_t)op->order.seq,
			.op = op->order.op_name, .container_id = op->order.container_id,
			.origin = op->origin),
		"order %s (%s) accepted", op->order.id, op->order.op_name);
	join_lanes(e, op);
}

/* --- the end of an operation --- */

int64_t engine_started_ms(const struct operation *op)
{
	int64_t now_ms = agent_now_ms(), by_now_ms = now_ms - (agent_elapsed_ms() - op->began_ms);

	if (op->began_ms > 0 && llabs(by_now_ms - op->started_ms) > CLOCK_SET_MS)
		return by_now_ms;
	return MIN_OF(op->started_ms, now_ms);
}

static void log_end(const struct operation *op, enum journal_state state, int64_t duration_ms)
{
	if (state == JOURNAL_SUCCEEDED)
		LOG(LOG_INFO, ORDER_SUCCEEDED,
			FIELDS(.order_id = op->order.id, .seq = (int64_t)op->order.seq,
				.op = op->order.op_name, .container_id = op->order.container_id,
				.origin = op->origin, .duration_ms = &duration_ms),
			"order %s (%s) succeeded", op->order.id, op->order.op_name);
	else
		LOG(LOG_WARNING, ORDER_FAILED,
			FIELDS(.order_id = op->order.id, .seq = (int64_t)op->order.seq,
				.op = op->order.op_name, .container_id = op->order.container_id,
				.origin = op->origin, .duration_ms = &duration_ms, .err = &op->err),
			"order %s (%s) failed: %s", op->order.id, op->order.op_name,
			op->err.message);
}

static void tell(const struct operation *op, enum journal_state state, const json_t *progress)
{
	tell_operation(op->agent, &(struct tell_operation){ .order = &op->order,
					  .state = state,
					  .started_ms = op->started_ms,
					  .finished_ms = op->finished_ms,
					  .progress = progress,
					  .result = op->result,
					  .err = &op->err });
}

static void end(struct engine *e, struct operation *op, enum journal_state state)
{
	_cleanup_json_ json_t *error = state == JOURNAL_FAILED ? errjson_make(&op->err) : NULL;
	_cleanup_(freep) char *error_text = error ? jsonx_dump(error) : NULL;
	_cleanup_(freep) char *result_text =
		state == JOURNAL_SUCCEEDED && op->result ? jsonx_dump(op->result) : NULL;
	struct container *c;
	bool many;

	op->started_ms = engine_started_ms(op);
	op->finished_ms = agent_now_ms();
	journal_finish(e->agent->store, op->row, state, op->started_ms, op->finished_ms,
		result_text, error_text);
	tell(op, state, NULL);
	e->listener->ended(op, state);
	log_end(op, state, op->started_ms ? op->finished_ms - op->started_ms : 0);
	let_worker_go(e, op);
	lane_leave(e->lanes, &op->ticket, on_lane_ready, e);
	c = op->order.container_id[0] ? desired_find(e->agent->desired, op->order.container_id)
				      : NULL;
	many = !op->order.container_id[0] && op->def && op->def->lanes;
	operation_free(e, op);
	e->listener->left(e->agent);
	e->ended++;
	if (c)
		e->listener->lane_left(e->agent, c);
	for (size_t i = 0; many && i < desired_count(e->agent->desired); i++)
		e->listener->lane_left(e->agent, desired_at(e->agent->desired, i));
}

/* --- one step after the other --- */

static void on_worker_done(struct worker_result *res, void *userdata)
{
	struct operation *op = userdata;
	struct engine *e = op->agent->engine;
	struct container *c = desired_find(op->agent->desired, op->order.container_id);

	op->last_r = res->r;
	op->died = res->died;
	if (res->r < 0 && op->at.undoing)
		LOG(LOG_ERR, UNDO_FAILED,
			FIELDS(.order_id = op->order.id, .container_id = op->order.container_id,
				.err = res->err),
			"order %s: a step could not be undone: %s", op->order.id,
			res->err->message);
	else if (res->r < 0)
		op->err = *res->err;
	else if (!op->at.undoing && json_object_size(res->data) > 0) {
		json_decref(op->step_data);
		op->step_data = json_incref(res->data);
	}
	if (res->r >= 0)
		e->listener->acted(op, c, res);
	push(&e->ready, op);
}

static void on_worker_progress(uint64_t percent, uint64_t done, uint64_t total, void *userdata)
{
	struct operation *op = userdata;
	int64_t now_ms = agent_elapsed_ms();
	_cleanup_json_ json_t *v = NULL;

	if (op->progress_ms && now_ms - op->progress_ms < PROGRESS_MS)
		return;
	op->progress_ms = now_ms;
	v = json_pack("{s:s, s:I, s:I}", "stage", op_step_name(&op->def->steps[op->at.step]),
		"bytes_done", (json_int_t)done, "bytes_total", (json_int_t)total);
	if (percent <= 100)
		(void)json_object_set_new(v, "percent", json_integer((json_int_t)percent));
	tell(op, JOURNAL_RUNNING, v);
}

static char *job_text(const struct operation *op, const struct ops_step *step)
{
	const struct agent *a = op->agent;
	struct container *c = desired_find(a->desired, op->order.container_id);

	json_t *params = step->params ? step->params(op->agent, op) : json_object();

	/* Only check() lets an operation walk steps, and it has looked. */
	assert(c || !op->order.container_id[0]);
	(void)json_object_set_new(params, "timeout_ms",
		json_integer((json_int_t)oprules_timeout_s(op->order.op, op->order.params) * 1000));
	return worker_job_text(
		&a->conf, c ? &c->spec : NULL, step->job, op->at.undoing ? "undo" : "act", params);
}

/* What the agent does itself. Negative when that is the step's end. */
static int act_here(struct operation *op, int (*here)(struct agent *a, struct operation *op))
{
	int r = here ? here(op->agent, op) : 0;

	op->last_r = r;
	op->died = false;
	return r;
}

/* Begin what the commit has just made durable. */
static void act(struct operation *op)
{
	const struct ops_step *step = &op->def->steps[op->at.step];
	_cleanup_(freep) char *text = NULL;
	uint64_t deadline_ms =
		op->at.undoing ? UNDO_TIMEOUT_MS
			       : oprules_timeout_s(op->order.op, op->order.params) * 1000ULL +
					 DEADLINE_MARGIN_MS;
	int r = act_here(op, op->at.undoing ? step->undo_here : step->here);

	if (r >= 0 && step->wait && !op->at.undoing) {
		op->last_r = step->wait(op->agent, op);
		if (op->last_r > 0)
			return;
	}
	if ((r < 0 && !op->at.undoing) || !step->job) {
		push(&op->agent->engine->ready, op);
		return;
	}
	text = job_text(op, step);
	worker_run(op->worker, text, deadline_ms, on_worker_done, on_worker_progress, op);
}

void engine_go_on(struct operation *op, int r)
{
	op->last_r = r;
	push(&op->agent->engine->ready, op);
}

static bool has_nothing_to_do(const struct operation *op)
{
	const struct ops_step *step = &op->def->steps[op->at.step];

	return (step->skip && step->skip(op)) || (op->at.undoing && !step->has_undo);
}

/* One project never has all workers: what another orders finds one. */
static bool has_its_share(const struct engine *e, const struct operation *op)
{
	unsigned max = (unsigned)e->agent->conf.node.max_workers, n = 0;

	for (const struct operation *o = e->holders; o; o = o->holder_next)
		n += strcmp(o->order.project_id, op->order.project_id) == 0;
	return op->order.project_id[0] && max > 1 && n >= max - MAX_OF(max / KEPT_PART, 1u);
}

/* A worker that has failed (or was killed) serves nobody any more. */
static bool get_worker(struct engine *e, struct operation *op)
{
	if (op->last_r < 0)
		let_worker_go(e, op);
	op->last_r = 0;
	if (op->worker)
		return true;
	op->worker = has_its_share(e, op) ? NULL : worker_take(e->agent->workers);
	if (!op->worker)
		return false;
	op->holder_next = e->holders;
	e->holders = op;
	return true;
}

/* A failed undo is tried again before it is passed over. So is a step without an undo (such a
 * step lies behind the point of no return) when its worker died: most often the step was not at
 * fault. */
static enum opstep_event patiently(struct operation *op, enum opstep_event event)
{
	bool final = op->at.undoing || (op->died && !op->def->steps[op->at.step].has_undo),
	     again = event == OPSTEP_ERROR && final && op->retries < RETRIES_MAX;

	op->retries = again ? op->retries + 1 : 0;
	return again ? OPSTEP_BEGIN : event;
}

/* After all patience: was the step one that may fail? */
static enum opstep_event leniently(struct operation *op, enum opstep_event event)
{
	if (event != OPSTEP_ERROR || op->at.undoing || !op->def->steps[op->at.step].lenient)
		return event;
	LOG(LOG_WARNING, LITTER,
		FIELDS(.order_id = op->order.id, .container_id = op->order.container_id,
			.err = &op->err),
		"order %s: something could not be cleared away, and stays: %s", op->order.id,
		op->err.message);
	op->err = (struct err){};
	return OPSTEP_DONE;
}

static void walk(struct engine *e, struct operation *op, enum opstep_event event)
{
	enum opstep_action action =
		opstep_next(&op->at, op->def->n_steps, leniently(op, patiently(op, event)));
	_cleanup_(freep) char *error_text = NULL;

	while ((action == OPSTEP_ACT || action == OPSTEP_UNDO) && has_nothing_to_do(op))
		action = opstep_next(&op->at, op->def->n_steps, OPSTEP_DONE);
	switch (action) {
	case OPSTEP_ACT:
	case OPSTEP_UNDO:
		if (!op->def->steps[op->at.step].job)
			op->last_r = 0;
		if (op->def->steps[op->at.step].job && !get_worker(e, op)) {
			op->has_position = true;
			push(&e->starved, op);
			return;
		}
		if (op->at.undoing) {
			_cleanup_json_ json_t *error = errjson_make(&op->err);

			error_text = jsonx_dump(error);
		}
		journal_position(e->agent->store, op->row, op->at.step, op->at.undoing, error_text);
		push(&e->acting, op);
		return;
	case OPSTEP_SUCCEEDED:
		if (op->def->finish)
			op->def->finish(e->agent, op);
		end(e, op, JOURNAL_SUCCEEDED);
		return;
	case OPSTEP_FAILED:
		if (op->def->abandon)
			op->def->abandon(e->agent, op);
		end(e, op, JOURNAL_FAILED);
		return;
	}
}

/* --- attempts --- */

static bool refuse(struct operation *op, enum errcode code, const char *sentence)
{
	(void)err_set(&op->err, -EPERM, code, NULL, "%s", sentence);
	return false;
}

/* First attempt: may it run at all? False: op->err says why not, or it is done already (*ret_done).
 */
static bool may_begin(struct agent *a, struct operation *op, bool *ret_done)
{
	struct container *c = desired_find(a->desired, op->order.container_id);

	*ret_done = false;
	if (!op->def)
		return refuse(op, ERR_NOT_IMPLEMENTED, "this agent can't execute this op yet");
	if (op->order.params_expire && op->order.expires_ms <= journal_trusted_now_ms(a->store))
		return refuse(op, ERR_EXPIRED,
			"the order expired before its turn came, and its parameters with it");
	op->prev_status = c ? c->status : CT_NONE;
	switch (op->def->check(a, op)) {
	case OPS_RUN:
		return true;
	case OPS_NOTHING:
		*ret_done = true;
		return false;
	case OPS_REFUSED:
		return false;
	}
	return false;
}

/* How does the walk begin? Attempts are counted in the journal before they are made. */
static enum opstep_event attempt(struct operation *op)
{
	bool again = op->attempts > 1;

	if (!op->at.undoing && op->attempts > JOURNAL_ATTEMPTS_MAX) {
		(void)err_set(&op->err, -EPERM, ERR_POISON, NULL,
			"the agent died %u times during this order; it is undone",
			op->attempts - 1);
		LOG(LOG_ERR, ORDER_POISON,
			FIELDS(.order_id = op->order.id, .seq = (int64_t)op->order.seq,
				.op = op->order.op_name, .container_id = op->order.container_id,
				.origin = op->origin, .err = &op->err),
			"order %s (%s) is quarantined: %s", op->order.id, op->order.op_name,
			op->err.message);
		return OPSTEP_GIVE_UP;
	}
	if (!op->at.undoing && again && op->def->recovery == OPS_INTERRUPT) {
		(void)err_set(&op->err, -EINTR, ERR_INTERRUPTED, NULL,
			"the agent died during this order, which is not safe to repeat");
		return OPSTEP_GIVE_UP;
	}
	return OPSTEP_BEGIN;
}

static void begin(struct engine *e, struct operation *op)
{
	struct agent *a = e->agent;
	bool done;

	if (op->attempts == 0) {
		if (!may_begin(a, op, &done)) {
			end(e, op, done ? JOURNAL_SUCCEEDED : JOURNAL_FAILED);
			return;
		}
		op->started_ms = agent_now_ms();
		op->began_ms = agent_elapsed_ms();
	}
	op->attempts++;
	if (op->def->n_steps > 0)
		journal_attempt(a->store, op->row, op->attempts, op->started_ms,
			desired_status_name(op->prev_status));
	if (op->attempts == 1 && op->def->begin && op->def->begin(a, op) < 0) {
		end(e, op, JOURNAL_FAILED);
		return;
	}
	if (op->attempts > UNDO_ATTEMPTS_MAX) {
		if (op->def->abandon)
			op->def->abandon(a, op);
		end(e, op, JOURNAL_FAILED);
		return;
	}
	walk(e, op, attempt(op));
}

/* What runs when the agent dies is suspect, most of it merely for having run beside the one that
 * the agent dies of. So a last attempt is made alone: the innocent end well in it, and none is
 * quarantined for another. */
static bool must_wait(struct engine *e, const struct operation *op)
{
	return e->alone || (e->n_last_attempts > 0 && !op->last_attempt);
}

static void advance(struct engine *e, struct operation *op)
{
	if (!op->begun && (e->agent->stopper || must_wait(e, op))) { /* the host goes down */
		push(&e->held, op);
	} else if (!op->begun) {
		if (op->last_attempt)
			e->alone = op;
		op->begun = true;
		begin(e, op);
	} else if (op->has_position) {
		op->has_position = false;
		walk(e, op, OPSTEP_BEGIN);
	} else {
		walk(e, op, op->last_r < 0 ? OPSTEP_ERROR : OPSTEP_DONE);
	}
}

/* --- turns --- */

/* One report tells that an order was taken in; one that has ended in the same turn needs none. */
static void announce(struct engine *e)
{
	for (struct operation *op = e->all; op; op = op->next) {
		if (op->announced)
			break; /* new ones stand in front */
		op->announced = true;
		tell(op, op->begun ? JOURNAL_RUNNING : JOURNAL_ACCEPTED, NULL);
	}
}

void engine_turn(struct engine *e)
{
	struct agent *a = e->agent;
	struct operation *op;

	do {
		while ((op = pop(&e->ready)))
			advance(e, op);
		announce(e);
		if (e->ended >= PRUNE_EVERY) {
			e->ended = 0;
			journal_prune(a->store);
			history_prune(a->store);
		}
		e->listener->before_commit(a);
		store_must(store_commit(a->store));
		while ((op = pop(&e->acting)))
			act(op);
		e->listener->after_commit(a);
	} while (e->ready.head || store_is_dirty(a->store));
	worker_pool_warm(a->workers);
}

static void on_worker_free(void *userdata)
{
	struct engine *e = userdata;
	struct operation *before = NULL, *op = e->starved.head;

	while (op && has_its_share(e, op)) {
		before = op;
		op = op->queue_next;
	}
	if (!op)
		return;
	if (before)
		before->queue_next = op->queue_next;
	else
		e->starved.head = op->queue_next;
	if (e->starved.tail == op)
		e->starved.tail = before;
	push(&e->ready, op);
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
	e->lanes = lane_table_new();
	worker_pool_on_free(a->workers, on_worker_free, e);
	*ret = e;
	return 0;
}

struct engine *engine_free(struct engine *e)
{
	if (!e)
		return NULL;
	forgive_attempts(e);
	/* Unfinished operations stay in the journal; the next agent takes them up. Lanes die with
	 * their table, so they are emptied in any order. */
	e->starved = (struct queue){};
	e->held = (struct queue){};
	for (struct operation *op = e->all; op; op = op->next)
		lane_forget(e->lanes, &op->ticket);
	while (e->all)
		operation_free(e, e->all);
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
	op = operation_new(e, &order, j->origin);
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
	join_lanes(e, op);
}

void engine_recover(struct engine *e)
{
	journal_unfinished(e->agent->store, recover_one, e);
}

bool engine_is_busy(const struct engine *e, const char *container_id)
{
	char lane[OPRULES_LANE_LEN];

	(void)snprintf(lane, sizeof(lane), "container:%s", container_id);
	return lane_is_busy(e->lanes, lane);
}

/* An order that only edits wanted state ends within a turn or two; one that acts takes as long as
 * its steps. */
enum engine_traffic engine_traffic(const struct engine *e, const struct order *o)
{
	enum engine_traffic found = ENGINE_FREE;
	char lane[OPRULES_LANE_LEN];
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	oprules_lanes(o->op, o->container_id, o->project_id, o->params, &lanes);
	(void)snprintf(lane, sizeof(lane), "container:%s", o->container_id);
	if (!oprules_has_lane(&lanes, lane))
		return found;
	for (const struct operation *x = e->all; x; x = x->next) {
		if (oprules_kind(x->order.op) != OPRULES_ACT || !lane_is_joined(&x->ticket, lane))
			continue;
		if (strcmp(x->origin, "agent") != 0)
			return ENGINE_SLOW;
		found = ENGINE_OWN;
	}
	return found;
}

const struct order *engine_find(const struct engine *e, enum op op, const char *container_id)
{
	for (const struct operation *o = e->all; o; o = o->next)
		if (o->order.op == op && strcmp(o->order.container_id, container_id) == 0)
			return &o->order;
	return NULL;
}

const struct operation *engine_next_begun(const struct engine *e, const struct operation *after)
{
	const struct operation *o = after ? after->next : e->all;

	while (o && o->attempts == 0)
		o = o->next;
	return o;
}

static bool has_lane(const struct oprules_lanes *l, size_t n, const char *container_id)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(l->name[i], "container:", 10) == 0 &&
			strcmp(l->name[i] + 10, container_id) == 0)
			return true;
	return false;
}

/* The containers differ from each other, so each is only held against the lanes that @l had
 * before. */
void engine_add_lanes(const struct engine *e, const char *project_id, struct oprules_lanes *l)
{
	struct desired *d = e->agent->desired;
	size_t before = l->n;

	for (size_t i = 0; i < desired_count(d); i++) {
		const struct ctspec *s = &desired_at(d, i)->spec;

		if ((!project_id || strcmp(s->project_id, project_id) == 0) &&
			!has_lane(l, before, s->id))
			oprules_append_lane(l, "container", s->id);
	}
	for (const struct operation *o = e->all; o; o = o->next)
		if (!desired_find(d, o->order.container_id) &&
			(!project_id || strcmp(o->order.project_id, project_id) == 0))
			oprules_add_lane(l, "container", o->order.container_id);
}

/* Orders that make containers don't wait for each other. */
void engine_follow_project(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	char lane[OPRULES_LANE_LEN];

	(void)snprintf(lane, sizeof(lane), "project:%s", o->project_id);
	for (const struct operation *x = a->engine->all; x; x = x->next)
		if (x->order.op != OP_CONTAINER_CREATE && x->order.op != OP_CONTAINER_COPY &&
			lane_is_joined(&x->ticket, lane)) {
			oprules_add_lane(l, "project", o->project_id);
			return;
		}
}

const struct order *engine_find_share(const struct engine *e, const char *share_id)
{
	for (const struct operation *o = e->all; o; o = o->next) {
		const char *id = json_string_value(json_object_get(o->order.params, "share_id"));

		if (o->order.op == OP_SHARE_CREATE && id && strcmp(id, share_id) == 0)
			return &o->order;
	}
	return NULL;
}

size_t engine_unfinished(const struct engine *e)
{
	return e->n;
}
