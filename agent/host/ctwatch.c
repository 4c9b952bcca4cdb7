/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of each container that runs the pidfd of its init is watched. When that ends, and no operation
 * has the container, look() asks the kernel until it is clear what has come of it: a new init
 * (CTPROBE_RUNNING), nothing (ABSENT), or what stays undecided for too long (PARTIAL, STARTING),
 * which counts as nothing. Meanwhile the watch is kept, marked as ended, and looks again by a
 * timer; the container's status is as before. An operation that has it at that moment settles it
 * when it leaves. */
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

/* After init's end liblxc's monitor either goes, or starts a new init (reboot asked from inside).
 * The monitor does either within some 50 ms; we look ten times before we believe that it is
 * stuck, and stay below the promised second. */
#define LOOK_AGAIN_US (80 * 1000)

/* How often. One that has begun to start takes as long as a start may take on a host that is
 * loaded. */
static const unsigned looks_max[] = { [CTPROBE_PARTIAL] = 10, [CTPROBE_STARTING] = 750 };

struct ctwatch {
	struct agent *agent;
	char id[IDENT_ID_LEN + 1];
	pid_t pid;
	int pidfd;
	bool ended;
	unsigned looks[countof(looks_max)];
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

static void look_again(struct ctwatch *w)
{
	w->again = sd_event_source_disable_unref(w->again);
	if (sd_event_add_time_relative(w->agent->event, &w->again, CLOCK_BOOTTIME, LOOK_AGAIN_US,
		    1000, on_look_again, w) < 0)
		abort(); /* only for want of memory */
}

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

/* Init has ended, and no operation has the container: has it rebooted itself, or is this its
 * end? */
static void look(struct agent *a, struct container *c)
{
	struct ctwatch *w = c->watch;
	int64_t ended_ms = w->ended_ms;
	pid_t pid = 0;
	int pidfd = -1;
	enum ctprobe_state state = ask(a, c->spec.id, &pid, &pidfd, ctprobe_look);
	json_t *cause;

	switch (state) {
	case CTPROBE_RUNNING:
	case CTPROBE_PAUSED:
		LOG(LOG_NOTICE, CONTAINER_REBOOTED, FIELDS(.container_id = c->spec.id),
			"container %s restarted itself", c->spec.id);
		ctwatch_attach(a, c, pid, pidfd);
		a->ctwatch_owner->rebooted(a, c);
		return;
	case CTPROBE_PARTIAL:
	case CTPROBE_STARTING:
		if (w->looks[state]++ < looks_max[state]) {
			if (state == CTPROBE_PARTIAL)
				ctwatch_look_after(a, c, false); /* its new init may be there */
			look_again(w);
			return;
		}
		break;
	case CTPROBE_ABSENT:
		break;
	}
	cause = c->status == CT_RUNNING || c->status == CT_PAUSED ? cause_of(a, c, w) : NULL;
	ctwatch_detach(c);
	if (cause) {
		LOG(LOG_WARNING, CONTAINER_ENDED, FIELDS(.container_id = c->spec.id),
			"container %s ended, which nobody ordered: %s", c->spec.id,
			json_string_value(json_object_get(cause, "cause")));
		a->ctwatch_owner->ended(a, c, ended_ms, cause);
	}
}

void ctwatch_settle(struct agent *a, struct container *c)
{
	if (c->watch && c->watch->ended && !unfinished_is_busy(a->engine, c->spec.id))
		look(a, c);
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
	w->ended = true;
	w->ended_ms = agent_now_ms();
	w->oom_kills = ctgroup_oom_kills(w->agent->groups, w->id);
	w->source = sd_event_source_disable_unref(w->source);
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
	c->watch = w;
	return w;
}

void ctwatch_attach(struct agent *a, struct container *c, pid_t pid, int pidfd)
{
	struct ctwatch *w = make(a, c, pid, pidfd);

	if (sd_event_add_io(a->event, &w->source, pidfd, EPOLLIN, on_init_end, w) < 0)
		abort(); /* only for want of memory or a descriptor that is none */
}

/* Found on its way to a new init: as if the old one had ended now. */
static void await_init(struct agent *a, struct container *c)
{
	if (c->watch && c->watch->ended)
		return;
	make(a, c, 0, -1);
	c->watch->ended = true;
	c->watch->ended_ms = agent_now_ms();
	look_again(c->watch);
}

static enum ct_status observe(struct agent *a, struct container *c, ctprobe_how how)
{
	pid_t pid = 0;
	int pidfd = -1;
	enum ctprobe_state state = ask(a, c->spec.id, &pid, &pidfd, how);

	if (state == CTPROBE_STARTING) {
		await_init(a, c);
		return CT_RUNNING;
	}
	if (state < CTPROBE_STARTING) {
		ctwatch_detach(c);
		return CT_STOPPED;
	}
	if (ctwatch_pid(c) == pid)
		closefd(pidfd);
	else
		ctwatch_attach(a, c, pid, pidfd);
	return state == CTPROBE_PAUSED ? CT_PAUSED : CT_RUNNING;
}

enum ct_status ctwatch_observe(struct agent *a, struct container *c)
{
	return observe(a, c, ctprobe_look);
}

enum ct_status ctwatch_adopt(struct agent *a, struct container *c)
{
	return observe(a, c, ctprobe_find);
}
