/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine knows of an op: data. When it acts on the world, that is a list of steps that a
 * reader sees at a glance and a crash test walks. The rows stand above (agent/ops/ops.h); the
 * engine is given a way to find them.
 *
 * check() decides in memory, before anything is journaled as begun, whether the op may run, has
 * nothing to do, or conflicts with the container's state. It is asked once, at the first attempt:
 * what a later attempt finds may be the op's own half-done work. Steps name jobs of hoody-worker
 * (agent/worker/worker_job.h). finish() and abandon() change the wanted state in the transaction
 * that ends the order. */
#pragma once

#include <jansson.h>

#include "proto/oprules.h"

struct agent;
struct operation;
struct order;

enum opdef_verdict {
	OPDEF_RUN,     /* walk the steps */
	OPDEF_NOTHING, /* it is so already: success */
	OPDEF_REFUSED, /* op->err says why */
};

enum opdef_recovery {
	OPDEF_RESUME,    /* do the interrupted step again and go on */
	OPDEF_INTERRUPT, /* undo, and end it failed with `interrupted` */
};

struct opdef_step {
	const char *job;  /* of hoody-worker; NULL: none */
	const char *name; /* what plans and progress call it; NULL: as the job */
	bool has_undo;
	/* It clears away what nobody knows any more: when it fails, in the end, that is logged, and
	 * the operation goes on. */
	bool lenient;
	/* Its job has so many seconds where the order doesn't say how many it has itself: ops that
	 * fetch and copy first have far more than that. 0: the order's. */
	unsigned within_s;
	bool launches; /* a container, by its job: worker_ahead() in agent/engine/worker.h */
	/* This operation doesn't need the step; NULL: it always does. */
	bool (*skip)(const struct operation *op);
	/* The job's parameters, beside timeout_ms; NULL: none. Of what is journaled alone, so that
	 * they are the same after a crash. */
	json_t *(*params)(struct agent *a, const struct operation *op);
	/* What the agent does itself, before the job, or instead of it when @job is NULL; quick and
	 * idempotent. Negative: op->err says why, and there is no job. @undo_here: likewise of its
	 * undo, whose job there is whatever comes of it. */
	int (*here)(struct agent *a, struct operation *op);
	/* What the loop waits for, instead of a job, and without a worker: 1: engine_go_on()
	 * follows; 0: nothing to wait for; negative: op->err says why. Asked again after a
	 * crash. */
	int (*wait)(struct agent *a, struct operation *op);
	int (*undo_here)(struct agent *a, struct operation *op);
};

static inline const char *opdef_step_name(const struct opdef_step *step)
{
	return step->name ? step->name : step->job;
}

struct opdef {
	enum op op;
	enum opdef_recovery recovery;
	enum opdef_verdict (*check)(struct agent *a, struct operation *op);
	/* First attempt, in the transaction that journals it; may be NULL. Negative: op->err. */
	int (*begin)(struct agent *a, struct operation *op);
	/* Success. */
	void (*finish)(struct agent *a, struct operation *op);
	/* Failure, everything undone; may be NULL. */
	void (*abandon)(struct agent *a, struct operation *op);
	const struct opdef_step *steps;
	unsigned n_steps;
	/* Lanes that the order doesn't name and the node knows; may be NULL. */
	void (*lanes)(struct agent *a, const struct order *o, struct oprules_lanes *l);
};
