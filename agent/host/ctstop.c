/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctstop.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "agent/engine/engine.h"
#include "agent/state/desired.h"
#include "lxc/ctprobe.h"
#include "lxc/ctsignal.h"
#include "proto/oprules.h"
#include "proto/signame.h"

#define USEC_PER_MS 1000ULL

struct ctstop {
	struct operation *op;
	struct ctsignal init; /* its pidfd is ours */
	int64_t end_ms, timeout_ms;
	sd_event_source *source, *timer;
};

int ctstop_signal(const struct conf *conf, const struct ctspec *spec)
{
	const char *text = conf->containers.stop_signal;

	return *text ? MAX_OF(signame_parse(text), 0) : spec->stop_signal;
}

static void give_up(void *waits)
{
	struct ctstop *s = waits;

	s->source = sd_event_source_disable_unref(s->source);
	s->timer = sd_event_source_disable_unref(s->timer);
	closefd(s->init.pidfd);
	free(s);
}

static void over(struct ctstop *s, int r)
{
	struct operation *op = s->op;

	op->waits = NULL;
	give_up(s);
	engine_go_on(op, r);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	over(userdata, 0);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

/* False: it hears nothing, and never will; what follows the wait kills it. */
static bool ask(struct ctstop *s)
{
	int again_ms = ctsignal_ask(&s->init);
	int64_t left_ms = s->end_ms - agent_elapsed_ms(), wait_ms;

	if (again_ms == 0)
		return false;
	if (again_ms < 0) /* gone: on_end knows */
		again_ms = CTSIGNAL_AGAIN_MS;
	wait_ms = MAX_OF(MIN_OF(left_ms, (int64_t)again_ms), 0);
	s->timer = sd_event_source_disable_unref(s->timer);
	if (sd_event_add_time_relative(s->op->agent->event, &s->timer, CLOCK_BOOTTIME,
		    (uint64_t)wait_ms * USEC_PER_MS, 1000, on_time, s) < 0)
		abort(); /* only for want of memory */
	return true;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ctstop *s = userdata;

	if (agent_elapsed_ms() < s->end_ms) {
		if (!ask(s))
			over(s, 0);
	} else if (s->init.deaf) {
		over(s, 0);
	} else {
		over(s, err_set(&s->op->err, -ETIMEDOUT, ERR_TIMEOUT, NULL,
				"the container did not end within %lld ms of being asked; it goes "
				"on "
				"running",
				(long long)s->timeout_ms));
	}
	return 0;
}

int ctstop_wait(struct agent *a, struct operation *op)
{
	struct container *c = desired_find(a->desired, op->order.container_id);
	_cleanup_(closep) int pidfd = -1;
	struct ctstop *s;
	pid_t pid;
	int r = ctprobe_look(a->groups, c->spec.id, &pid, &pidfd, &op->err);

	if (r == CTPROBE_PAUSED)
		return err_set(&op->err, -EPERM, ERR_OPERATION_STATE_CONFLICT, NULL,
			"a paused container can't be stopped: resume it or force-stop it");
	if (r != CTPROBE_RUNNING)
		return MIN_OF(r, 0);
	s = xcalloc(1, sizeof(*s));
	s->op = op;
	/* An earlier agent may have asked, and it may have begun to end. */
	s->init = (struct ctsignal){ .pid = pid,
		.pidfd = take_fd(&pidfd),
		.named = ctstop_signal(&a->conf, &c->spec),
		.asked = op->attempts > 1 };
	s->timeout_ms = oprules_timeout_s(op->order.op, op->order.params) * 1000LL;
	s->end_ms = agent_elapsed_ms() + s->timeout_ms;
	op->waits = s;
	op->waits_free = give_up;
	if (sd_event_add_io(a->event, &s->source, s->init.pidfd, EPOLLIN, on_end, s) < 0)
		abort(); /* only for want of memory */
	(void)ask(s);    /* nobody is taken for deaf at the first look */
	return 1;
}
