/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/engine/operation.h"

#include "agent/common/agent.h"
#include "agent/report/tell.h"

#define CLOCK_SET_MS 1000 /* off by more than this is no slew */

bool operation_is_own(const struct operation *op)
{
	return strcmp(op->origin, "agent") == 0;
}

int64_t operation_started_ms(const struct operation *op)
{
	int64_t now_ms = agent_now_ms(), by_now_ms = now_ms - (agent_elapsed_ms() - op->began_ms);

	if (op->began_ms > 0 && llabs(by_now_ms - op->started_ms) > CLOCK_SET_MS)
		return by_now_ms;
	return MIN_OF(op->started_ms, now_ms);
}

void operation_tell(const struct operation *op, enum journal_state state, const json_t *progress)
{
	tell_operation(op->agent, &(struct tell_operation){ .order = &op->order,
					  .state = state,
					  .started_ms = op->started_ms,
					  .finished_ms = op->finished_ms,
					  .progress = progress,
					  .result = op->result,
					  .err = &op->err });
}

void operation_push(struct operation_queue *q, struct operation *op)
{
	op->queue_next = NULL;
	if (q->tail)
		q->tail->queue_next = op;
	else
		q->head = op;
	q->tail = op;
}

struct operation *operation_pop(struct operation_queue *q)
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

void operation_pull(struct operation_queue *q, struct operation *before, struct operation *op)
{
	if (before)
		before->queue_next = op->queue_next;
	else
		q->head = op->queue_next;
	if (q->tail == op)
		q->tail = before;
	op->queue_next = NULL;
}

void operation_append(struct operation_queue *q, struct operation_queue *from)
{
	struct operation *op;

	while ((op = operation_pop(from)))
		operation_push(q, op);
}
