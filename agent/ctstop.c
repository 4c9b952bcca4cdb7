/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctstop.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "agent/engine.h"
#include "lxc/ctprobe.h"
#include "lxc/ctsignal.h"
#include "proto/oprules.h"

#define ASK_AGAIN_MS 500
#define HEARS_YET_MS 20
#define DEAF_LOOKS   5 /* one may be between two waits for signals */
#define USEC_PER_MS  1000ULL

struct ctstop {
	struct operation *op;
	pid_t pid;
	int pidfd;
	unsigned deaf; /* looks in a row at which it heard nothing */
	int64_t end_ms, timeout_ms;
	sd_event_source *source, *timer;
};

struct ctstop *ctstop_free(struct ctstop *s)
{
	if (s) {
		s->source = sd_event_source_disable_unref(s->source);
		s->timer = sd_event_source_disable_unref(s->timer);
		closefd(s->pidfd);
		free(s);
	}
	return NULL;
}

static void over(struct ctstop *s, int r)
{
	struct operation *op = s->op;

	op->stop = ctstop_free(op->stop);
	engine_go_on(op, r);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	over(userdata, 0);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

static bool is_deaf(const struct ctstop *s)
{
	return s->deaf >= DEAF_LOOKS && ctsignal_age_ms(s->pid) >= CTSIGNAL_SETTLED_MS;
}

/* An init that has just begun hears nothing yet, and what it blocks it may drop: so it is asked until it ends.
 * One that is no longer new and still hears nothing can only be killed: what follows the wait does it. */
static void ask(struct ctstop *s)
{
	int signal = ctsignal_of(s->pid);
	int64_t again_ms = signal ? ASK_AGAIN_MS : HEARS_YET_MS,
		wait_ms = MAX_OF(MIN_OF(s->end_ms - agent_elapsed_ms(), again_ms), 0);

	s->deaf = signal == 0 ? s->deaf + 1 : 0;
	if (signal > 0) /* gone: on_end knows */
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, signal, NULL, 0);
	s->timer = sd_event_source_disable_unref(s->timer);
	if (sd_event_add_time_relative(s->op->agent->event, &s->timer, CLOCK_BOOTTIME,
		    (uint64_t)wait_ms * USEC_PER_MS, 1000, on_time, s) < 0)
		abort(); /* only for want of memory */
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ctstop *s = userdata;

	if (agent_elapsed_ms() < s->end_ms) {
		ask(s);
		if (is_deaf(s))
			over(s, 0);
	} else if (s->deaf) {
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
	s->pidfd = take_fd(&pidfd);
	s->pid = pid;
	s->timeout_ms = oprules_timeout_s(op->order.op, op->order.params) * 1000LL;
	s->end_ms = agent_elapsed_ms() + s->timeout_ms;
	op->stop = s;
	if (sd_event_add_io(a->event, &s->source, s->pidfd, EPOLLIN, on_end, s) < 0)
		abort(); /* only for want of memory */
	ask(s);
	return 1;
}
