/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation: an order from its acceptance to its one terminal report. In memory it is what the
 * journal has of it, where its walk stands (agent/engine/opstep.h), and its worker. */
#pragma once

#include "agent/engine/lane.h"
#include "agent/engine/opdef.h"
#include "agent/engine/opstep.h"
#include "agent/engine/worker.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "proto/order.h"

struct agent;

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

/* Has the agent made the order itself? What it saw then may have been changed by an order before
 * it: check() looks again. */
bool operation_is_own(const struct operation *op);

/* When its first attempt began, by the clock as it is now: one that was set meanwhile measures
 * nothing. 0: it has not. */
int64_t operation_started_ms(const struct operation *op);

/* Report where it stands. @progress: of a step, or NULL. In the open transaction. */
void operation_tell(const struct operation *op, enum journal_state state, const json_t *progress);

/* In the order in which they came; each operation is in one queue at a time, if in any. */
struct operation_queue {
	struct operation *head, *tail;
};

void operation_push(struct operation_queue *q, struct operation *op);
struct operation *operation_pop(struct operation_queue *q); /* NULL: it is empty */
/* Take out @op, which is in it behind @before (NULL: at its head). */
void operation_pull(struct operation_queue *q, struct operation *before, struct operation *op);
/* Empty @from to the end of @q. */
void operation_append(struct operation_queue *q, struct operation_queue *from);
