/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of workers: spawn, hand over jobs, deadline, progress, result, kill. What a job
 * is: agent/worker/worker_job.h.
 *
 * One worker is kept warm (exec'd and waiting), since an exec costs about 2 ms. A worker serves one
 * operation and then goes. Whatever it does wrong (crash, hang, a frame out of turn) fails the one
 * job it has: the worker is killed by pidfd and the job's result is an error. */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "agent/common/conf.h"
#include "lxc/ctspec.h"
#include "proto/base.h"
#include "proto/err.h"
#include "proto/frame.h"

struct worker;
struct worker_pool;

struct worker_result {
	int r;        /* 0 or a negative errno */
	bool died;    /* the worker has: without a result, and not for the deadline */
	json_t *data; /* borrowed; the job's result, or NULL */
	int fd;       /* a descriptor that came with the result, or -1: take_fd to keep it */
	const struct err *err; /* when r < 0 */
};

/* The data that a FRAME_WORKER_RESULT brings, the caller's; NULL: none. Sets @err when *ret_r <
 * 0. */
json_t *worker_read_result(
	const struct frame *f, const void *payload, size_t size, int *ret_r, struct err *err);

typedef void (*worker_done)(struct worker_result *res, void *userdata);
typedef void (*worker_progress)(uint64_t percent, uint64_t done, uint64_t total, void *userdata);

/* @program is the path of hoody-worker. */
_must_check_ int worker_pool_new(
	sd_event *event, const char *program, unsigned max, struct worker_pool **ret);
struct worker_pool *worker_pool_free(struct worker_pool *p); /* kills what runs */

/* A worker for an operation, or NULL while MaxWorkers are taken: then @freed is called once when
 * one is free. */
struct worker *worker_take(struct worker_pool *p);
/* However many are taken: for the job that ends them all. */
struct worker *worker_take_last(struct worker_pool *p);
void worker_pool_on_free(struct worker_pool *p, void (*freed)(void *userdata), void *userdata);
struct worker *worker_release(struct worker *w); /* returns NULL; ends the process */

/* What a job says (agent/worker/worker_job.h), the caller's. @container may be NULL: the job
 * concerns none. Takes @params, of the job's kind. */
char *worker_job_text(const struct conf *conf, const struct ctspec *container, const char *job,
	const char *verb, json_t *params);

/* Give a job; @done is called exactly once, from the loop, unless the worker is released before.
 * @text is JSON. */
void worker_run(struct worker *w, const char *text, uint64_t deadline_ms, worker_done done,
	worker_progress progress, void *userdata);

/* Its next job is a launch, of whom @text is, as of a job without params
 * (agent/worker/worker_ahead.c): it changes nothing, so it may be said before the job is journaled.
 */
void worker_ahead(struct worker *w, const char *text);

/* Give a job with descriptor @fd (not taken) to a worker that is nobody's afterwards: it reports to
 * @fd's other side, outlives the agent, and takes no operation's place. At most WORKER_ALONE_MAX at
 * once: -EBUSY. */
#define WORKER_ALONE_MAX 64
_must_check_ int worker_send_alone(struct worker_pool *p, const char *text, int fd);

/* Have a warm worker ready: now, or a little later when one is at work, which then has the
 * processor to itself. Call when nothing urgent is to be done. */
void worker_pool_warm(struct worker_pool *p);
/* Node.MaxWorkers is another now. Workers that are taken beyond it end in their own time. */
void worker_pool_resize(struct worker_pool *p, unsigned max);
unsigned worker_pool_busy(const struct worker_pool *p);
