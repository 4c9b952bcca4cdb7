/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations are data: an op is a row here and, when it acts on the world, a list of steps that a
 * reader sees at a glance and a crash test walks.
 *
 * check() decides in memory, before anything is journaled as begun, whether the op may run, has
 * nothing to do, or conflicts with the container's state. It is asked once, at the first attempt:
 * what a later attempt finds may be the op's own half-done work. Steps name jobs of hoody-worker
 * (agent/worker/worker_job.h). finish() and abandon() change the wanted state in the transaction that ends
 * the order. */
#pragma once

#include "agent/engine/engine.h"

enum ops_verdict {
	OPS_RUN,     /* walk the steps */
	OPS_NOTHING, /* it is so already: success */
	OPS_REFUSED, /* op->err says why */
};

enum ops_recovery {
	OPS_RESUME,    /* do the interrupted step again and go on */
	OPS_INTERRUPT, /* undo, and end it failed with `interrupted` */
};

struct ops_step {
	const char *job; /* of hoody-worker; NULL: none */
	bool has_undo;
	/* This operation doesn't need the step; NULL: it always does. */
	bool (*skip)(const struct operation *op);
	/* The job's parameters, beside timeout_ms; NULL: none. Of what is journaled alone, so that
	 * they are the same after a crash. */
	json_t *(*params)(struct agent *a, const struct operation *op);
	/* What the agent does itself, before the job, or instead of it when @job is NULL; quick and
	 * idempotent. Negative: op->err says why, and there is no job. @undo_here: likewise of its undo,
	 * whose job there is whatever comes of it. */
	int (*here)(struct agent *a, struct operation *op);
	/* What the loop waits for, instead of a job: 1: engine_go_on() follows; 0: nothing to wait for; negative:
	 * op->err says why. Asked again after a crash. */
	int (*wait)(struct agent *a, struct operation *op);
	int (*undo_here)(struct agent *a, struct operation *op);
};

/* A container's init runs, and the firewall knows it before. */
#define OPS_LAUNCH                                                          \
	.job = "launch", .has_undo = true, .params = opstate_launch_params, \
	.here = ctnet_before_launch
/* It is killed, to run again: undone by a launch. */
#define OPS_HALT                                                          \
	.job = "halt", .has_undo = true, .params = opstate_launch_params, \
	.undo_here = ctnet_before_launch

struct opdef {
	enum op op;
	enum ops_recovery recovery;
	enum ops_verdict (*check)(struct agent *a, struct operation *op);
	int (*begin)(
		struct agent *a, struct operation *op); /* first attempt, in the transaction that
							   journals it; may be NULL; < 0: op->err */
	void (*finish)(struct agent *a, struct operation *op); /* success */
	void (*abandon)(struct agent *a,
		struct operation *op); /* failure, everything undone; may be NULL */
	const struct ops_step *steps;
	unsigned n_steps;
	/* Lanes that the order doesn't name and the node knows; may be NULL. */
	void (*lanes)(struct agent *a, const struct order *o, struct oprules_lanes *l);
};

/* NULL: this op is valid but ends failed with NOT_IMPLEMENTED. */
const struct opdef *ops_find(enum op op);

/* The rows of each family. */
extern const struct opdef ops_container[];
extern const size_t ops_container_count;
extern const struct opdef ops_snapshot[];
extern const size_t ops_snapshot_count;
extern const struct opdef ops_copy[];
extern const size_t ops_copy_count;
extern const struct opdef ops_image[];
extern const size_t ops_image_count;
extern const struct opdef ops_firewall[];
extern const size_t ops_firewall_count;
extern const struct opdef ops_env[];
extern const size_t ops_env_count;
extern const struct opdef ops_command[];
extern const size_t ops_command_count;
extern const struct opdef ops_project[];
extern const size_t ops_project_count;
extern const struct opdef ops_share[];
extern const size_t ops_share_count;
extern const struct opdef ops_proxy[];
extern const size_t ops_proxy_count;
extern const struct opdef ops_network[];
extern const size_t ops_network_count;
extern const struct opdef ops_node[];
extern const size_t ops_node_count;
