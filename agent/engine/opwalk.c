/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attempts are counted in the journal before they are made; a step's position is written before it
 * is begun, and the act follows the commit (agent/engine/engine.c). What fails is undone, step by
 * step; a failed undo, and a worker that has died in a step behind the point of no return, are
 * tried again a few times.
 *
 * Nothing here knows an op: what a step is stands in the op's row. With no worker to be had the
 * operation is `starved`; what the agent died of too often is undone; a last attempt runs alone. */
#include "agent/engine/opwalk.h"

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/engine/engine_self.h"
#include "agent/engine/unfinished.h"
#include "lxc/ctspec.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define PROGRESS_MS     1000 /* a progress report a second at most, per order */
#define UNDO_TIMEOUT_MS (120 * 1000)
/* A worker that minds its own time reports the timeout itself, a little before we kill it. */
#define DEADLINE_MARGIN_MS 2000
#define UNDO_ATTEMPTS_MAX  (2 * JOURNAL_ATTEMPTS_MAX)
#define RETRIES_MAX        3

/* --- its end --- */

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

static void end(struct engine *e, struct operation *op, enum journal_state state)
{
	_cleanup_json_ json_t *error = state == JOURNAL_FAILED ? errjson_make(&op->err) : NULL;
	_cleanup_(freep) char *error_text = error ? jsonx_dump(error) : NULL;
	_cleanup_(freep) char *result_text =
		state == JOURNAL_SUCCEEDED && op->result ? jsonx_dump(op->result) : NULL;
	struct container *c;
	bool many;

	op->started_ms = operation_started_ms(op);
	op->finished_ms = agent_now_ms();
	journal_finish(e->agent->store, op->row, state, op->started_ms, op->finished_ms,
		result_text, error_text);
	operation_tell(op, state, NULL);
	e->listener->ended(op, state);
	log_end(op, state, op->started_ms ? op->finished_ms - op->started_ms : 0);
	unfinished_let_worker_go(e, op);
	unfinished_leave_lanes(e, op);
	c = op->order.container_id[0] ? desired_find(e->agent->desired, op->order.container_id)
				      : NULL;
	many = op->def && op->def->lanes; /* a copy's source, too */
	unfinished_remove(e, op);
	e->listener->left(e->agent);
	e->ended++;
	if (c && !many)
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
	operation_push(&e->ready, op);
}

static void on_worker_progress(uint64_t percent, uint64_t done, uint64_t total, void *userdata)
{
	struct operation *op = userdata;
	int64_t now_ms = agent_elapsed_ms();
	_cleanup_json_ json_t *v = NULL;

	if (op->progress_ms && now_ms - op->progress_ms < PROGRESS_MS)
		return;
	op->progress_ms = now_ms;
	v = jsonx_pack("{s:s, s:I, s:I}", "stage", opdef_step_name(&op->def->steps[op->at.step]),
		"bytes_done", (json_int_t)done, "bytes_total", (json_int_t)total);
	if (percent <= 100)
		jsonx_set_int(v, "percent", percent);
	operation_tell(op, JOURNAL_RUNNING, v);
}

static char *job_text(const struct operation *op, const struct opdef_step *step)
{
	const struct agent *a = op->agent;
	struct container *c = desired_find(a->desired, op->order.container_id);

	json_t *params = step->params ? step->params(op->agent, op) : json_object();

	/* Only check() lets an operation walk steps, and it has looked. */
	assert(c || !op->order.container_id[0]);
	jsonx_set_int(
		params, "timeout_ms", oprules_timeout_s(op->order.op, op->order.params) * 1000);
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

static uint64_t deadline_ms_of(const struct operation *op, const struct opdef_step *step)
{
	unsigned s = oprules_timeout_s(op->order.op, op->order.params);

	if (op->at.undoing)
		return UNDO_TIMEOUT_MS;
	if (step->within_s && !json_object_get(op->order.params, "timeout_s"))
		s = MIN_OF(s, step->within_s);
	return s * 1000ULL + DEADLINE_MARGIN_MS;
}

void opwalk_act(struct operation *op)
{
	const struct opdef_step *step = &op->def->steps[op->at.step];
	_cleanup_(freep) char *text = NULL;
	int r = act_here(op, op->at.undoing ? step->undo_here : step->here);

	if (r >= 0 && step->wait && !op->at.undoing) {
		op->last_r = step->wait(op->agent, op);
		if (op->last_r > 0) {
			unfinished_let_worker_go(op->agent->engine, op);
			return;
		}
	}
	if ((r < 0 && !op->at.undoing) || !step->job) {
		operation_push(&op->agent->engine->ready, op);
		return;
	}
	text = job_text(op, step);
	worker_run(
		op->worker, text, deadline_ms_of(op, step), on_worker_done, on_worker_progress, op);
}

/* Of the commit, which takes as long. */
static void tell_ahead(const struct operation *op)
{
	const struct agent *a = op->agent;
	const struct container *c = desired_find(a->desired, op->order.container_id);
	_cleanup_(freep) char *text = worker_job_text(&a->conf, c ? &c->spec : NULL,
		op->def->steps[op->at.step].job, "act", json_object());

	worker_ahead(op->worker, text);
}

static bool has_nothing_to_do(const struct operation *op)
{
	const struct opdef_step *step = &op->def->steps[op->at.step];

	return (step->skip && step->skip(op)) || (op->at.undoing && !step->has_undo);
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

/* While the host goes down nothing is launched, and what was ended with it has not failed: that is
 * the next boot's to launch. */
static bool awaits_boot(struct engine *e, struct operation *op)
{
	if (!e->agent->stopper || op->at.undoing || !op->def->steps[op->at.step].launches)
		return false;
	op->has_position = true;
	operation_push(&e->held, op);
	return true;
}

static void walk(struct engine *e, struct operation *op, enum opstep_event event)
{
	_cleanup_(freep) char *error_text = NULL;
	enum opstep_action action;

	if (event == OPSTEP_ERROR && awaits_boot(e, op))
		return;
	action = opstep_next(&op->at, op->def->n_steps, leniently(op, patiently(op, event)));
	while ((action == OPSTEP_ACT || action == OPSTEP_UNDO) && has_nothing_to_do(op))
		action = opstep_next(&op->at, op->def->n_steps, OPSTEP_DONE);
	if (action == OPSTEP_ACT && awaits_boot(e, op))
		return;
	switch (action) {
	case OPSTEP_ACT:
	case OPSTEP_UNDO:
		if (!op->def->steps[op->at.step].job)
			op->last_r = 0;
		if (op->def->steps[op->at.step].job && !unfinished_get_worker(e, op)) {
			op->has_position = true;
			operation_push(&e->starved, op);
			return;
		}
		if (op->at.undoing) {
			_cleanup_json_ json_t *error = errjson_make(&op->err);

			error_text = jsonx_dump(error);
		} else if (op->def->steps[op->at.step].launches)
			tell_ahead(op);
		journal_position(e->agent->store, op->row, op->at.step, op->at.undoing, error_text);
		operation_push(&e->acting, op);
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
	case OPDEF_RUN:
		return true;
	case OPDEF_NOTHING:
		*ret_done = true;
		return false;
	case OPDEF_REFUSED:
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
	if (!op->at.undoing && again && op->def->recovery == OPDEF_INTERRUPT) {
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

void opwalk_advance(struct engine *e, struct operation *op)
{
	if (!op->begun && (e->agent->stopper || must_wait(e, op))) { /* the host goes down */
		operation_push(&e->held, op);
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
