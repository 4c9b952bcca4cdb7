/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/leaf.h"

#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/backoff.h"
#include "agent/metrics.h"
#include "agent/spawn.h"

#define ACCURACY_US (100 * 1000)

struct leaf {
	struct agent *agent;
	const struct leaf_kind *kind;
	void *userdata;
	struct channel *channel;
	sd_event_source *child, *respawn;
	struct backoff backoff;
};

static int start(struct leaf *l);
static void start_later(struct leaf *l);

static int on_start(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct leaf *l = userdata;

	if (l->child)
		return 0; /* not reaped yet: on_exit_reaped comes here again */
	l->channel = channel_close(l->channel);
	if (start(l) < 0) {
		LOG_AS(LOG_ERR, l->kind->failed, NO_FIELDS, "%s can't be started", l->kind->what);
		start_later(l);
	}
	return 0;
}

static void start_later(struct leaf *l)
{
	l->kind->down(l->userdata);
	l->respawn = sd_event_source_disable_unref(l->respawn);
	(void)sd_event_add_time_relative(l->agent->event, &l->respawn, CLOCK_BOOTTIME,
		backoff_failed(&l->backoff, 0, randombytes_random()) * 1000, ACCURACY_US, on_start,
		l);
}

void leaf_kill(struct leaf *l)
{
	if (l->child)
		(void)sd_event_source_send_child_signal(
			l->child, SIGKILL, NULL, 0); /* dead already: fine */
}

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct leaf *l = userdata;

	if (r < 0)
		LOG_AS(LOG_ALERT, l->kind->violation, FIELDS(.errnum = -r),
			"%s broke the channel's rules (%s) and is killed", l->kind->what, why);
	if (l->child)
		leaf_kill(l);
	else
		start_later(l);
}

static int on_exit_reaped(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct leaf *l = userdata;

	LOG_AS(LOG_WARNING, l->kind->failed, NO_FIELDS, "%s ended (%s %d) and is started again",
		l->kind->what, si->si_code == CLD_EXITED ? "status" : "signal", si->si_status);
	l->child = sd_event_source_unref(l->child);
	start_later(l);
	return 0;
}

/* All leaves are the same user: neither can trace or signal, and neither has a file. */
static int spawn_leaf(struct leaf *l, int fd, pid_t *ret_pid)
{
	_cleanup_(freep) char *program = spawn_find(l->kind->name);
	_cleanup_(freep) char *name = xstrdup(l->kind->name);

	return spawn_program(program,
		(char *[]){ name, (char[]){ "--user" }, l->agent->conf.courier.user, NULL }, fd,
		ret_pid);
}

static int start(struct leaf *l)
{
	struct err err = {};
	int fds[2], r = channel_pair(fds);
	pid_t pid;

	if (r < 0)
		return r;
	metrics_leaf(l->agent->metrics, l->kind->name);
	r = spawn_leaf(l, fds[1], &pid);
	closefd(fds[1]);
	if (r >= 0) {
		r = sd_event_add_child(l->agent->event, &l->child, pid, WEXITED, on_exit_reaped, l);
		if (r < 0)
			(void)kill(pid, SIGKILL); /* not waited for: the pid is still its own */
	}
	if (r < 0) {
		closefd(fds[0]);
		return r;
	}
	r = channel_open(l->agent->event, fds[0], l->kind->permits, l->kind->n_permits, on_gone, l,
		&l->channel);
	if (r < 0) {
		leaf_kill(l);
		return r;
	}
	if (l->kind->set_up(l->channel, l->userdata, &err) < 0) {
		LOG_AS(LOG_ERR, l->kind->failed, FIELDS(.err = &err), "%s can't be set up: %s",
			l->kind->what, err.message);
		leaf_kill(l); /* on_exit_reaped tries again later */
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
	if (l->child) {
		(void)sd_event_source_send_child_signal(l->child, SIGTERM, NULL, 0);
		l->child = sd_event_source_disable_unref(l->child);
	}
	l->respawn = sd_event_source_disable_unref(l->respawn);
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
	backoff_succeeded(&l->backoff);
}
