/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of each container that runs the pidfd of its init is watched. When that ends, and no operation
 * has the container, look() asks the kernel until it is clear what has come of it: nothing
 * (ABSENT), or what stays undecided for too long (PARTIAL), which counts as nothing. Meanwhile the
 * watch is kept, marked as ended, and looks again by a timer; the container's status is as before.
 * An operation that has it at that moment settles it when it leaves. */
#include "agent/host/ctwatch.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "agent/common/journald.h"
#include "agent/engine/engine.h"
#include "agent/engine/unfinished.h"
#include "agent/engine/worker.h"
#include "lxc/ctexit.h"
#include "lxc/ctgroup.h"
#include "lxc/ctprobe.h"
#include "proto/jsonx.h"

/* After init's end liblxc's monitor goes, within some 50 ms. We look ten times before we believe
 * that it is stuck, and stay below the promised second; longer where only the monitor knows whether
 * init was killed or has asked for a restart. */
#define LOOK_AGAIN_US    (80 * 1000)
#define LOOKS_MAX        10
#define LOOKS_KILLED_MAX 60
/* One whose init does little else is launched after a second at the soonest, then after two, four,
 * up to a minute; from the beginning again when it has run for longer than that. */
#define REBOOT_MIN_MS  1000
#define REBOOT_DOUBLES 6
#define REBOOT_CALM_MS (REBOOT_MIN_MS << REBOOT_DOUBLES)

struct ctwatch {
	struct agent *agent;
	char id[IDENT_ID_LEN + 1];
	pid_t pid;
	int pidfd;
	bool ended, booted;
	unsigned looks;
	int64_t since_ms, until_ms; /* agent_elapsed_ms() */
	int64_t ended_ms;
	int64_t oom_kills; /* when init ended: the monitor removes the group soon after */
	sd_event_source *source, *again;
};

static struct ctwatch *ctwatch_free(struct ctwatch *w)
{
	if (w) {
		w->source = sd_event_source_disable_unref(w->source);
		w->again = sd_event_source_disable_unref(w->again);
		closefd(w->pidfd);
		free(w);
	}
	return NULL;
}

void ctwatch_detach(struct container *c)
{
	c->watch = ctwatch_free(c->watch);
}

pid_t ctwatch_pid(const struct container *c)
{
	return c->watch && !c->watch->ended ? c->watch->pid : 0;
}

const char *ctwatch_unseen(bool booted)
{
	return booted ? "the host was rebooted" : "found so when the agent started";
}

static void add_exit(json_t *metadata, int pidfd)
{
	const char *cause = "init ended";
	int status;

	if (ctexit_status(pidfd, &status) >= 0 && WIFEXITED(status)) {
		cause = "exited";
		jsonx_set(metadata, "exit", jsonx_pack("{s:i}", "code", WEXITSTATUS(status)));
	} else if (ctexit_status(pidfd, &status) >= 0 && WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		cause = "signal";
		jsonx_set(metadata, "exit",
			jsonx_pack("{s:i, s:s?}", "signal", WTERMSIG(status), "name", name));
	}
	jsonx_set_string(metadata, "cause", cause);
}

/* The file's last lines, if @must_have stands in them: liblxc warns of much that is no matter. */
static void add_tail(const struct agent *a, json_t *metadata, const char *id, const char *file,
	const char *key, const char *must_have)
{
	_cleanup_(freep) char *path =
		xasprintf("%s/lxc/%s/%s", a->conf.node.state_directory, id, file);
	_cleanup_(freep) char *text = ctexit_tail(path);

	if (*text && strstr(text, must_have))
		jsonx_set_string(metadata, key, text);
}

/* Why it ended, as far as the kernel still tells, and what was said last. */
static json_t *cause_of(const struct agent *a, const struct container *c, const struct ctwatch *w)
{
	json_t *metadata = json_object();

	if (w->pidfd < 0) {
		jsonx_set_string(metadata, "cause", ctwatch_unseen(w->booted));
		return metadata;
	}
	add_exit(metadata, w->pidfd);
	if (w->oom_kills > 0) {
		jsonx_set_string(metadata, "cause", "oom");
		jsonx_set_int(metadata, "oom_kills", w->oom_kills);
	}
	add_tail(a, metadata, c->spec.id, "console.log", "console", "");
	add_tail(a, metadata, c->spec.id, "lxc.log", "log", " ERROR ");
	return metadata;
}

void ctwatch_look_after(struct agent *a, const struct container *c, bool over)
{
	_cleanup_(freep) char *text = worker_job_text(
		&a->conf, &c->spec, "groups", "act", jsonx_pack("{s:b}", "over", over));

	if (worker_send_alone(a->workers, text, -1) < 0)
		return;
}

static int on_look_again(sd_event_source *s, uint64_t usec, void *userdata);

typedef int (*ctprobe_how)(
	struct ctgroup *g, const char *id, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* An agent that can't ask the kernel would believe that its containers are gone, and tell. */
static enum ctprobe_state ask(
	struct agent *a, const char *id, pid_t *ret_pid, int *ret_pidfd, ctprobe_how how)
{
	struct err err = {};
	int r = how(a->groups, id, ret_pid, ret_pidfd, &err);

	if (r < 0) {
		LOG(LOG_CRIT, KERNEL_SILENT, FIELDS(.container_id = id, .err = &err),
			"%s; starting over", err.message);
		abort();
	}
	return (enum ctprobe_state)r;
}

static void look_again(struct ctwatch *w, uint64_t us)
{
	w->again = sd_event_source_disable_unref(w->again);
	if (sd_event_add_time_relative(
		    w->agent->event, &w->again, CLOCK_BOOTTIME, us, 1000, on_look_again, w) < 0)
		abort(); /* only for want of memory */
}

static bool ran(const struct container *c)
{
	return c->status == CT_RUNNING || c->status == CT_PAUSED;
}

/* Of who has called reboot(2) the kernel says that it was killed, or that it ended with 0: the
 * status that tells is its parent's alone (pid_namespaces(7)). */
static unsigned looks_max(const struct ctwatch *w)
{
	int status;

	if (ctexit_status(w->pidfd, &status) < 0 || status == 0 ||
		(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		return LOOKS_KILLED_MAX;
	return LOOKS_MAX;
}

static void reboot(struct agent *a, const struct container *c)
{
	LOG(LOG_NOTICE, CONTAINER_REBOOTED, FIELDS(.container_id = c->spec.id),
		"container %s restarts itself", c->spec.id);
	a->ctwatch_owner->rebooted(a, c);
}

/* True: it is launched again, or will be, which the watch sees to. */
static bool reboots(struct agent *a, struct container *c)
{
	struct ctwatch *w = c->watch;
	int64_t left_ms;

	if (!ran(c) || ctgroup_is_rebooting(a->groups, c->spec.id) <= 0)
		return false;
	if (w->until_ms - w->since_ms >= REBOOT_CALM_MS)
		c->reboots = 0;
	left_ms = w->since_ms + ((int64_t)REBOOT_MIN_MS << c->reboots) - agent_elapsed_ms();
	if (left_ms > 0) {
		look_again(w, (uint64_t)left_ms * 1000);
		return true;
	}
	c->reboots = MIN_OF(c->reboots + 1, (unsigned)REBOOT_DOUBLES);
	ctwatch_detach(c);
	reboot(a, c);
	return true;
}

static void end(struct agent *a, struct container *c)
{
	struct ctwatch *w = c->watch;
	json_t *cause = ran(c) ? cause_of(a, c, w) : NULL;
	int64_t ended_ms = w->ended_ms;
	bool booted = w->booted;

	ctwatch_detach(c);
	if (cause) {
		LOG(booted ? LOG_INFO : LOG_WARNING, CONTAINER_ENDED,
			FIELDS(.container_id = c->spec.id),
			"container %s ended, which nobody ordered: %s", c->spec.id,
			json_string_value(json_object_get(cause, "cause")));
		a->ctwatch_owner->ended(a, c, ended_ms, booted, cause);
	}
}

/* Init has ended, and no operation has the container: what has come of it? */
static void look(struct agent *a, struct container *c)
{
	struct ctwatch *w = c->watch;
	pid_t pid = 0;
	int pidfd = -1;

	switch (ask(a, c->spec.id, &pid, &pidfd, ctprobe_look)) {
	case CTPROBE_RUNNING:
	case CTPROBE_PAUSED:
		ctwatch_attach(a, c, pid, pidfd);
		reboot(a, c);
		return;
	case CTPROBE_PARTIAL:
		if (w->looks++ < looks_max(w)) {
			if (w->looks % LOOKS_MAX == 1) /* an older agent's may have a new init */
				ctwatch_look_after(a, c, false);
			look_again(w, LOOK_AGAIN_US);
			return;
		}
		break;
	case CTPROBE_ABSENT:
		break;
	}
	if (!reboots(a, c))
		end(a, c);
}

/* Statuses of those that end with the host stay as they are. */
void ctwatch_settle(struct agent *a, struct container *c)
{
	if (c->watch && c->watch->ended && !a->stopper &&
		!unfinished_is_busy(a->engine, c->spec.id))
		look(a, c);
}

static void remember_end(struct ctwatch *w)
{
	if (w->ended)
		return;
	w->ended = true;
	w->ended_ms = agent_now_ms();
	w->until_ms = agent_elapsed_ms();
	w->oom_kills = ctgroup_oom_kills(w->agent->groups, w->id);
	w->source = sd_event_source_disable_unref(w->source);
}

static int on_look_again(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct ctwatch *w = userdata;
	struct container *c = desired_find(w->agent->desired, w->id);

	assert(c && c->watch == w);
	ctwatch_settle(w->agent, c);
	return 0;
}

static int on_init_end(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct ctwatch *w = userdata;
	struct container *c = desired_find(w->agent->desired, w->id);

	assert(c && c->watch == w);
	remember_end(w);
	ctwatch_settle(w->agent, c);
	return 0;
}

static struct ctwatch *make(struct agent *a, struct container *c, pid_t pid, int pidfd)
{
	struct ctwatch *w = xcalloc(1, sizeof(*w));

	ctwatch_detach(c);
	w->agent = a;
	strcpy(w->id, c->spec.id);
	w->pid = pid;
	w->pidfd = pidfd;
	w->since_ms = agent_elapsed_ms();
	c->watch = w;
	return w;
}

void ctwatch_attach(struct agent *a, struct container *c, pid_t pid, int pidfd)
{
	struct ctwatch *w = make(a, c, pid, pidfd);

	if (sd_event_add_io(a->event, &w->source, pidfd, EPOLLIN, on_init_end, w) < 0)
		abort(); /* only for want of memory or a descriptor that is none */
}

/* Where nobody has seen its end it is as if it were now. One that is synced may have run: what it
 * was before is the operation's to say, if that fails. */
void ctwatch_miss(struct agent *a, struct container *c, bool booted)
{
	if (!ran(c) && c->status != CT_COPYING)
		return;
	if (!c->watch)
		make(a, c, 0, -1)->booted = booted;
	remember_end(c->watch);
	look_again(c->watch, LOOK_AGAIN_US);
}

static enum ct_status observe(struct agent *a, struct container *c, ctprobe_how how)
{
	pid_t pid = 0;
	int pidfd = -1;
	enum ctprobe_state state = ask(a, c->spec.id, &pid, &pidfd, how);

	if (state == CTPROBE_RUNNING || state == CTPROBE_PAUSED) {
		if (ctwatch_pid(c) == pid)
			closefd(pidfd);
		else
			ctwatch_attach(a, c, pid, pidfd);
		return state == CTPROBE_PAUSED ? CT_PAUSED : CT_RUNNING;
	}
	if (ran(c) && (c->watch || state == CTPROBE_PARTIAL ||
			      ctgroup_is_rebooting(a->groups, c->spec.id) > 0)) {
		ctwatch_miss(a, c, false);
		return c->status;
	}
	ctwatch_detach(c);
	return CT_STOPPED;
}

enum ct_status ctwatch_observe(struct agent *a, struct container *c)
{
	return observe(a, c, ctprobe_look);
}

enum ct_status ctwatch_adopt(struct agent *a, struct container *c)
{
	enum ct_status status = observe(a, c, ctprobe_find);

	if (ran(c) && ctwatch_pid(c) > 0 && ctgroup_is_rebooting(a->groups, c->spec.id) > 0)
		reboot(a, c); /* by liblxc, which an older agent let */
	return status;
}
