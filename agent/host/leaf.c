/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/leaf.h"

#include <signal.h>
#include <sodium.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "agent/common/agent.h"
#include "agent/common/backoff.h"
#include "agent/common/spawn.h"
#include "agent/report/counters.h"

#define ACCURACY_US (100 * 1000)
#define READY_US    (60ULL * 1000 * 1000) /* to be ready in: a unit has its own start before it */
#define PROVEN_US   (1000 * 1000)         /* one that has served for so long was no failure */

struct leaf {
	struct agent *agent;
	const struct leaf_kind *kind;
	void *userdata;
	struct channel *channel;
	int pidfd; /* -1: none runs, or it is a unit's and has not said who it is */
	sd_event_source *ended, *respawn, *late;
	bool renewed;
	uint64_t ready_us; /* since when it serves; 0: not yet */
	struct backoff backoff;
};

static int start(struct leaf *l);
static void start_later(struct leaf *l);

static int on_start(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct leaf *l = userdata;

	if (l->pidfd >= 0)
		return 0; /* not ended yet: on_ended comes here again */
	l->channel = channel_close(l->channel);
	if (start(l) < 0) {
		LOG_AS(LOG_ERR, l->kind->failed, NO_FIELDS, "%s can't be started", l->kind->what);
		start_later(l);
	}
	return 0;
}

static uint64_t now_us(const struct leaf *l)
{
	uint64_t usec = 0;

	(void)sd_event_now(l->agent->event, CLOCK_BOOTTIME, &usec); /* of this turn */
	return usec;
}

static void start_later(struct leaf *l)
{
	uint64_t wait_ms;

	l->kind->down(l->userdata);
	l->late = sd_event_source_disable_unref(l->late);
	if (l->ready_us && now_us(l) - l->ready_us >= PROVEN_US)
		backoff_succeeded(&l->backoff);
	l->ready_us = 0;
	wait_ms = l->renewed
			  ? 0
			  : backoff_failed(&l->backoff, BACKOFF_FIRST_MS, 0, randombytes_random());
	l->renewed = false;
	l->respawn = sd_event_source_disable_unref(l->respawn);
	if (sd_event_add_time_relative(l->agent->event, &l->respawn, CLOCK_BOOTTIME, wait_ms * 1000,
		    ACCURACY_US, on_start, l) < 0)
		abort(); /* only for want of memory */
}

/* One whose process we don't know has done nothing yet, and ends with its channel. */
void leaf_kill(struct leaf *l)
{
	if (l->pidfd >= 0) {
		(void)pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0); /* dead already: fine */
		return;
	}
	l->channel = channel_close(l->channel);
	start_later(l);
}

void leaf_renew(struct leaf *l)
{
	if (!leaf_channel(l))
		return; /* the next is told what is so then */
	l->renewed = true;
	leaf_kill(l);
}

void leaf_overdue(struct leaf *l)
{
	LOG_AS(LOG_WARNING, l->kind->failed, NO_FIELDS,
		"%s does not answer: it is killed and started again", l->kind->what);
	leaf_kill(l);
}

static int on_late(sd_event_source *s, uint64_t usec, void *userdata)
{
	leaf_overdue(userdata);
	return 0;
}

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct leaf *l = userdata;

	if (channel_is_own_fault(r))
		LOG_AS(LOG_ERR, l->kind->failed, FIELDS(.errnum = -r),
			"what %s sends can't be taken (%s), and it is started again", l->kind->what,
			why);
	else if (r < 0)
		LOG_AS(LOG_ALERT, l->kind->violation, FIELDS(.errnum = -r),
			"%s broke the channel's rules (%s) and is killed", l->kind->what, why);
	else if (l->pidfd < 0)
		LOG_AS(LOG_WARNING, l->kind->failed, NO_FIELDS,
			"%s ended before it was ready and is started again", l->kind->what);
	leaf_kill(l);
}

/* How it ended is known of a child only. */
static void log_end(const struct leaf *l)
{
	siginfo_t si = {};

	if (waitid(P_PIDFD, (id_t)l->pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid > 0)
		LOG_AS(LOG_WARNING, l->kind->failed, NO_FIELDS,
			"%s ended (%s %d) and is started again", l->kind->what,
			si.si_code == CLD_EXITED ? "status" : "signal", si.si_status);
	else
		LOG_AS(LOG_WARNING, l->kind->failed, NO_FIELDS, "%s ended and is started again",
			l->kind->what);
}

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct leaf *l = userdata;

	if (l->renewed)
		(void)waitid(P_PIDFD, (id_t)l->pidfd, &(siginfo_t){}, WEXITED | WNOHANG);
	else
		log_end(l);
	l->ended = sd_event_source_disable_unref(l->ended);
	l->pidfd = closefd(l->pidfd);
	start_later(l);
	return 0;
}

/* Takes the descriptor. */
static int watch(struct leaf *l, int pidfd)
{
	bool watched = pidfd >= 0 && sd_event_add_io(l->agent->event, &l->ended, pidfd, EPOLLIN,
					     on_ended, l) >= 0;

	l->pidfd = watched ? pidfd : closefd(pidfd); /* else its end would be waited for */
	return watched ? 0 : -ESRCH;
}

static int start(struct leaf *l)
{
	struct agent *a = l->agent;
	struct err err = {};
	pid_t pid;
	int fd, r = spawn_leaf(a->conf.node.runtime_directory, l->kind->name,
			leafid_of(l->kind->role, (uint32_t)a->conf.containers.id_base), &fd, &pid);

	if (r < 0)
		return r;
	counters_leaf(a->counters, l->kind->name);
	if (pid > 0 && watch(l, pidfd_open(pid, 0)) < 0) {
		(void)kill(pid, SIGKILL); /* not waited for: the pid is still its own */
		(void)waitpid(pid, NULL, 0);
		closefd(fd);
		return -ECHILD;
	}
	r = channel_open(
		a->event, fd, l->kind->permits, l->kind->n_permits, on_gone, l, &l->channel);
	if (r < 0) {
		leaf_kill(l);
		return 0;
	}
	l->late = sd_event_source_disable_unref(l->late);
	if (sd_event_add_time_relative(
		    a->event, &l->late, CLOCK_BOOTTIME, READY_US, ACCURACY_US, on_late, l) < 0)
		abort(); /* only for want of memory */
	if (l->kind->set_up(l->channel, l->userdata, &err) < 0) {
		LOG_AS(LOG_ERR, l->kind->failed, FIELDS(.err = &err), "%s can't be set up: %s",
			l->kind->what, err.message);
		leaf_kill(l); /* and tried again later */
	}
	return 0;
}

int leaf_new(struct agent *a, const struct leaf_kind *kind, void *userdata, struct leaf **ret,
	struct err *err)
{
	struct leaf *l = xcalloc(1, sizeof(*l));
	int r;

	l->agent = a;
	l->kind = kind;
	l->userdata = userdata;
	l->pidfd = -1;
	r = start(l);
	if (r < 0) {
		leaf_free(l);
		return err_set(err, r, ERR_INTERNAL, NULL, "%s can't be started: %s", kind->what,
			strerror(-r));
	}
	*ret = l;
	return 0;
}

struct leaf *leaf_free(struct leaf *l)
{
	if (!l)
		return NULL;
	l->channel = channel_close(l->channel);
	if (l->pidfd >= 0)
		(void)pidfd_send_signal(l->pidfd, SIGTERM, NULL, 0);
	l->ended = sd_event_source_disable_unref(l->ended);
	l->pidfd = closefd(l->pidfd);
	l->respawn = sd_event_source_disable_unref(l->respawn);
	l->late = sd_event_source_disable_unref(l->late);
	free(l);
	return NULL;
}

void *leaf_owner(const struct leaf *l)
{
	return l->userdata;
}

struct channel *leaf_channel(const struct leaf *l)
{
	return l->channel && channel_fd(l->channel) >= 0 ? l->channel : NULL;
}

void leaf_ready(struct leaf *l)
{
	pid_t pid;

	l->late = sd_event_source_disable_unref(l->late);
	l->ready_us = now_us(l);
	if (l->pidfd < 0 && watch(l, channel_peer(l->channel, &pid)) < 0)
		leaf_kill(l);
}
