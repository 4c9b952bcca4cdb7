/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A worker is a process that does one job at a time: BUSY until its one result, then IDLE. Its
 * owner has it from worker_take() to worker_release(), which kills it. `done` is called once for
 * each job, unless the worker is released before, and always from the loop: by the result, the
 * end of the channel, the deadline, or by a job that could not be sent; and by a process that
 * has ended and left another behind with its channel.
 *
 * The pool counts those that are taken, up to its maximum, and keeps one warm, so that a job
 * needn't wait for a start. The event source of a child outlives the worker until the process is
 * reaped. Workers that were sent off alone (sessions) are nobody's: they have no channel, only
 * count, and go on when the agent ends. */
#include "agent/engine/worker.h"

#include <signal.h>
#include <sys/wait.h>

#include "agent/common/journald.h"
#include "agent/common/spawn.h"
#include "agent/state/ctlink.h"
#include "lxc/ctmonitor.h"
#include "proto/channel.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define WORKERS_MAX    256
#define RESULT_WAIT_US 200000
#define WARM_AFTER_US  30000 /* longer than most jobs take */
#define WARM_DOUBLES   10    /* half a minute, when so many could not be made */
#define ERRNO_MAX      4096  /* of the kernel's: include/linux/err.h */

/* Channel states of a worker. */
enum { IDLE, BUSY };

struct worker {
	struct worker_pool *pool;
	struct channel *channel;
	sd_event_source *child; /* reaps it; owns nothing */
	sd_event_source *deadline;
	pid_t pid;
	worker_done done;
	worker_progress progress;
	void *userdata;
};

struct worker_pool {
	sd_event *event;
	char *program;
	unsigned max, busy, n_alone;
	struct worker *alone[WORKER_ALONE_MAX];
	struct worker *warm;
	int monitors; /* lxc/ctmonitor; negative: each launch makes one, or fails and says so */
	unsigned n_failed; /* warm ones, since one could be made */
	sd_event_source *warming;
	void (*freed)(void *userdata);
	void *freed_userdata;
};

/* --- its end --- */

static void kill_worker(struct worker *w)
{
	if (w->child)
		(void)sd_event_source_send_child_signal(
			w->child, SIGKILL, NULL, 0); /* gone already: fine */
}

/* The job's one result. The handler may release the worker. */
static void conclude(struct worker *w, struct worker_result *res)
{
	worker_done done = w->done;

	w->deadline = sd_event_source_disable_unref(w->deadline);
	if (!done)
		return;
	w->done = NULL;
	done(res, w->userdata);
	closefd(res->fd);
}

static void conclude_error(
	struct worker *w, int r, enum errcode code, bool died, const char *sentence)
{
	struct err err = {};

	LOG(LOG_WARNING, WORKER_FAILED, FIELDS(.errnum = -r), "worker %d: %s", (int)w->pid,
		sentence);
	(void)err_set(&err, r, code, NULL, "%s", sentence);
	conclude(w, &(struct worker_result){ .r = r, .died = died, .fd = -1, .err = &err });
}

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct worker *w = userdata;
	const bool broken = r < 0 && !channel_is_own_fault(r);
	char sentence[200];

	if (broken)
		(void)snprintf(sentence, sizeof(sentence),
			"the worker broke the channel's rules: %s", why);
	else if (r < 0)
		(void)snprintf(sentence, sizeof(sentence),
			"the agent can't take what the worker says: %s", why);
	else
		(void)snprintf(sentence, sizeof(sentence), "%s",
			w->done ? "the worker died before it had a result"
				: "it died while it had no job");
	kill_worker(w);
	conclude_error(w, r < 0 && !broken ? r : -EIO, broken ? ERR_CHANNEL : ERR_INTERNAL, r >= 0,
		sentence);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct worker *w = userdata;

	kill_worker(w);
	conclude_error(w, -ETIMEDOUT, ERR_TIMEOUT, false,
		"the operation did not end within its time; its worker was killed");
	return 0;
}

/* --- what it is told, and what it says --- */

/* As configured; the worker turns a 0 into a share of what the host has
 * (agent/common/ctbounds.h). */
static json_t *bounds_of(const struct conf *conf)
{
	const struct {
		const char *name;
		int64_t value;
	} all[] = {
		{ "cgroups", conf->containers.cgroups_max },
		{ "cgroup_depth", conf->containers.cgroup_depth_max },
		{ "namespaces", conf->containers.namespaces_max },
		{ "net_namespaces", conf->containers.net_namespaces_max },
		{ "inotify", conf->containers.inotify_max },
		{ "watches", conf->containers.watches_max },
		{ "tasks", conf->containers.tasks_max },
		{ "memory", conf->containers.memory_max },
	};
	json_t *v = json_object();

	for (size_t i = 0; i < countof(all); i++)
		jsonx_set_int(v, all[i].name, all[i].value);
	return v;
}

char *worker_job_text(const struct conf *conf, const struct ctspec *container, const char *job,
	const char *verb, json_t *params)
{
	static const char *const drivers[] = {
		[CONF_DRIVER_AUTO] = "auto",
		[CONF_DRIVER_BTRFS] = "btrfs",
		[CONF_DRIVER_DIR] = "dir",
	};
	_cleanup_(freep) char *lxc_path = xasprintf("%s/lxc", conf->node.state_directory);
	_cleanup_json_ json_t *v = json_object();

	jsonx_set_string(v, "job", job);
	jsonx_set_string(v, "verb", verb);
	jsonx_set(v, "paths",
		jsonx_pack("{s:s, s:s, s:s}", "lxc", lxc_path, "pool", conf->storage.pool, "run",
			conf->node.runtime_directory));
	jsonx_set_string(v, "driver", drivers[conf->storage.driver]);
	jsonx_set_string(v, "cgroup_prefix", conf->containers.cgroup_prefix);
	jsonx_set(v, "bounds", bounds_of(conf));
	if (container) {
		jsonx_set(v, "container", ctspec_to_json(container));
		jsonx_set(v, "link", ctlink_json(conf, container));
	}
	jsonx_set(v, "params", params);

	assert(v);
	return jsonx_dump(v);
}

static int on_progress(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct worker *w = userdata;

	if (w->progress)
		w->progress(m->frame.a, m->frame.b, m->frame.c, w->userdata);
	return 0;
}

json_t *worker_read_result(
	const struct frame *f, const void *payload, size_t size, int *ret_r, struct err *err)
{
	json_t *data = NULL;

	*ret_r = 0;
	if (size > 0 && jsonx_parse(payload, size, ERR_CHANNEL, &data, err) < 0) {
		*ret_r = -EBADMSG;
	} else if (f->a != 0) {
		*ret_r = f->a < ERRNO_MAX ? -(int)f->a : -EIO;
		(void)errjson_read(data, *ret_r, err);
	}
	return data;
}

static int on_result(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct worker *w = userdata;
	struct worker_result res = { .fd = take_fd(&m->fd) };
	struct err err = {};
	_cleanup_json_ json_t *data =
		worker_read_result(&m->frame, m->payload, m->size, &res.r, &err);

	channel_set_state(ch, IDLE);
	res.data = data;
	res.err = res.r < 0 ? &err : NULL;
	conclude(w, &res);
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_WORKER_PROGRESS, 1u << BUSY, .handler = on_progress },
	{ FRAME_WORKER_RESULT, 1u << BUSY, .payload = true, .fd = true, .handler = on_result },
};

/* --- its birth --- */

static struct worker *forget_alone(struct worker *w)
{
	struct worker_pool *p = w->pool;

	for (unsigned i = 0; i < p->n_alone; i++) {
		if (p->alone[i] != w)
			continue;
		p->alone[i] = p->alone[--p->n_alone];
		sd_event_source_unref(w->child);
		free(w);
		return NULL;
	}
	return w;
}

static int on_no_result(sd_event_source *s, uint64_t usec, void *userdata)
{
	conclude_error(userdata, -EIO, ERR_INTERNAL, true,
		"the worker died before it had a result, and something of it lives on");
	return 0;
}

/* It has ended. What it has said is in the channel, whose end follows; but for a process that it
 * has left behind with the other side open. */
static void look_for_result(struct worker *w)
{
	w->deadline = sd_event_source_disable_unref(w->deadline);
	if (sd_event_add_time_relative(w->pool->event, &w->deadline, CLOCK_BOOTTIME, RESULT_WAIT_US,
		    1000, on_no_result, w) < 0)
		abort(); /* only for want of memory */
}

/* Reaped. When its worker has been freed before (userdata is NULL), the source belongs to the loop
 * and goes now. */
static int on_exit_reaped(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct worker *w = userdata;

	if (w && forget_alone(w)) {
		w->child = sd_event_source_unref(w->child);
		if (w->done)
			look_for_result(w);
	} else if (!w) {
		(void)sd_event_source_set_floating(
			s, false); /* gives up the loop's reference, the last one */
	}
	return 0;
}

static struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	kill_worker(w);
	w->deadline = sd_event_source_disable_unref(w->deadline);
	w->channel = channel_close(w->channel);
	if (w->child) {
		/* The loop keeps the source until the process is reaped. */
		(void)sd_event_source_set_userdata(w->child, NULL);
		(void)sd_event_source_set_floating(w->child, true);
		sd_event_source_unref(w->child);
	}
	free(w);
	return NULL;
}

static int worker_new(struct worker_pool *p, struct worker **ret)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	int fds[2], r;

	w->pool = p;
	r = chanio_pair(fds);
	if (r < 0) {
		free(w);
		return r;
	}
	r = spawn_program(
		p->program, (char *[]){ (char[]){ "hoody-worker" }, NULL }, fds[1], &w->pid);
	closefd(fds[1]);
	if (r < 0) {
		closefd(fds[0]);
		free(w);
		return r;
	}
	r = channel_open(p->event, fds[0], permits, countof(permits), on_gone, w, &w->channel);
	if (r >= 0)
		r = sd_event_add_child(p->event, &w->child, w->pid, WEXITED, on_exit_reaped, w);
	if (r < 0) {
		(void)kill(w->pid, SIGKILL); /* not yet waited for: the pid is still its own */
		worker_free(w);
		return r;
	}
	p->n_failed = 0;
	*ret = w;
	return 0;
}

/* --- the pool --- */

int worker_pool_new(sd_event *event, const char *program, unsigned max, struct worker_pool **ret)
{
	struct worker_pool *p;

	if (max < 1 || max > WORKERS_MAX)
		return -ERANGE;
	if (access(program, X_OK) < 0)
		return -errno;
	p = xcalloc(1, sizeof(*p));
	p->event = sd_event_ref(event);
	p->program = xstrdup(program);
	p->max = max;
	p->monitors = ctmonitor_make_space();
	*ret = p;
	return 0;
}

struct worker_pool *worker_pool_free(struct worker_pool *p)
{
	if (p) {
		assert(p->busy == 0);
		while (p->n_alone > 0)
			(void)forget_alone(p->alone[0]); /* they outlive us */
		worker_free(p->warm);
		p->warming = sd_event_source_disable_unref(p->warming);
		sd_event_unref(p->event);
		closefd(p->monitors);
		free(p->program);
		free(p);
	}
	return NULL;
}

void worker_pool_on_free(struct worker_pool *p, void (*freed)(void *userdata), void *userdata)
{
	p->freed = freed;
	p->freed_userdata = userdata;
}

void worker_pool_resize(struct worker_pool *p, unsigned max)
{
	assert(max >= 1 && max <= WORKERS_MAX);
	p->max = max;
	for (unsigned n = p->busy; p->freed && n < max; n++) /* each wakes one */
		p->freed(p->freed_userdata);
}

unsigned worker_pool_busy(const struct worker_pool *p)
{
	return p->busy;
}

/* A warm worker may have died while nobody looked, or just now: the kernel knows before the loop
 * does. */
static bool is_alive(const struct worker *w)
{
	siginfo_t si = {};

	return w->channel && channel_fd(w->channel) >= 0 && w->child &&
	       waitid(P_PID, (id_t)w->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0;
}

static int on_warming(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct worker_pool *p = userdata;

	p->warming = sd_event_source_disable_unref(p->warming);
	if (!p->warm && worker_new(p, &p->warm) < 0) /* cold starts will try again and say why */
		p->n_failed = MIN_OF(p->n_failed + 1, (unsigned)WARM_DOUBLES);
	return 0;
}

/* Its exec takes 2 ms of a processor, which a job that has just been sent off needs more. */
void worker_pool_warm(struct worker_pool *p)
{
	const uint64_t wait_us =
		p->busy > 0 || p->n_failed > 0 ? (uint64_t)WARM_AFTER_US << p->n_failed : 0;

	if (p->warm && !is_alive(p->warm))
		p->warm = worker_free(p->warm);
	if (p->warm || (p->warming && wait_us > 0))
		return;
	p->warming = sd_event_source_disable_unref(p->warming);
	if (wait_us == 0 || sd_event_add_time_relative(p->event, &p->warming, CLOCK_MONOTONIC,
				    wait_us, 1000, on_warming, p) < 0)
		(void)on_warming(NULL, 0, p);
}

struct worker *worker_take(struct worker_pool *p)
{
	return p->busy < p->max ? worker_take_last(p) : NULL;
}

struct worker *worker_take_last(struct worker_pool *p)
{
	struct worker *w = NULL;

	if (p->warm && is_alive(p->warm))
		w = TAKE(p->warm);
	else if (worker_new(p, &w) < 0)
		w = xcalloc(1, sizeof(*w)); /* worker_run will fail the job in the ordinary way */
	w->pool = p;
	p->busy++;
	return w;
}

struct worker *worker_release(struct worker *w)
{
	struct worker_pool *p;

	if (!w)
		return NULL;
	p = w->pool;
	assert(p->busy > 0);
	p->busy--;
	worker_free(w);
	if (p->freed)
		p->freed(p->freed_userdata);
	return NULL;
}

int worker_send_alone(struct worker_pool *p, const char *text, int fd)
{
	struct worker *w = NULL;
	int r;

	if (p->n_alone >= WORKER_ALONE_MAX)
		return -EBUSY;
	if (p->warm && is_alive(p->warm))
		w = TAKE(p->warm);
	else if ((r = worker_new(p, &w)) < 0)
		return r;
	r = channel_send(
		w->channel, &(struct frame){ .type = FRAME_WORKER_JOB }, text, strlen(text), fd);
	if (r < 0) {
		worker_free(w);
		return r;
	}
	w->channel = channel_close(w->channel); /* what was sent is still read */
	w->pool = p;
	p->alone[p->n_alone++] = w;
	return 0;
}

void worker_ahead(struct worker *w, const char *text)
{
	const struct frame f = { .type = FRAME_WORKER_AHEAD };

	if (w->channel && is_alive(w) && channel_send(w->channel, &f, text, strlen(text), -1) < 0)
		return; /* so fails the job, which says why */
}

/* A job that could not even be sent fails from the loop, like one whose worker dies. */
static int on_unsendable(sd_event_source *s, uint64_t usec, void *userdata)
{
	conclude_error(userdata, -EAGAIN, ERR_INTERNAL, true, "no worker could be started");
	return 0;
}

void worker_run(struct worker *w, const char *text, uint64_t deadline_ms, worker_done done,
	worker_progress progress, void *userdata)
{
	struct frame f = { .type = FRAME_WORKER_JOB, .a = deadline_ms };
	int r = -EPIPE;

	assert(!w->done);
	w->done = done;
	w->progress = progress;
	w->userdata = userdata;
	if (w->channel && is_alive(w)) {
		channel_set_state(w->channel, BUSY);
		r = channel_send(w->channel, &f, text, strlen(text), w->pool->monitors);
	}
	w->deadline = sd_event_source_disable_unref(w->deadline);
	r = sd_event_add_time_relative(w->pool->event, &w->deadline, CLOCK_BOOTTIME,
		r < 0 ? 0 : deadline_ms * 1000, 1000, r < 0 ? on_unsendable : on_deadline, w);
	assert(r >= 0);
}
