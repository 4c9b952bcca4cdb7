/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/bootstart.h"

#include <systemd/sd-bus.h>

#include "agent/common/journald.h"
#include "agent/engine/engine.h"
#include "agent/engine/unfinished.h"
#include "agent/engine/worker.h"
#include "agent/host/ctwatch.h"
#include "agent/ops/opstate.h"
#include "agent/ops/ownorder.h"
#include "agent/state/desired.h"
#include "proto/jsonx.h"

#define STOP_MS     45000 /* the job itself takes 30 s at most */
#define LAUNCHED_US 50000 /* it is looked so often whether what is launched is */
#define AGAIN_S     5
#define AGAIN_S_MAX 3600

void bootstart_order_one(struct agent *a, const struct container *c)
{
	if (c->spec.autostart && c->status == CT_STOPPED &&
		!unfinished_is_busy(a->engine, c->spec.id))
		ownorder_make(a, OP_CONTAINER_START, c->spec.id, c->spec.project_id, NULL);
}

void bootstart_order(struct agent *a)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		bootstart_order_one(a, desired_at(a->desired, i));
}

/* --- those that failed --- */

struct again {
	struct agent *agent;
	char id[IDENT_ID_LEN + 1];
};

static int on_again(sd_event_source *s, uint64_t usec, void *userdata)
{
	const struct again *w = userdata;
	struct agent *a = w->agent;
	const struct container *c = desired_find(a->desired, w->id);

	if (c && journal_failed_starts(a->store, c->spec.id) > 0)
		bootstart_order_one(a, c);
	return sd_event_source_set_floating(s, false); /* the event loop's was the only reference */
}

static void try_again(struct agent *a, const struct container *c)
{
	unsigned n = journal_failed_starts(a->store, c->spec.id);
	struct again *w;
	sd_event_source *s;
	uint64_t s_later;

	if (n == 0 || !c->spec.autostart || c->status != CT_STOPPED)
		return;
	s_later = MIN_OF((uint64_t)AGAIN_S << (n - 1), (uint64_t)AGAIN_S_MAX);
	w = xcalloc(1, sizeof(*w));
	w->agent = a;
	strcpy(w->id, c->spec.id);
	if (sd_event_add_time_relative(
		    a->event, &s, CLOCK_BOOTTIME, s_later * 1000000, 1000000, on_again, w) < 0)
		abort(); /* only for want of memory */
	(void)sd_event_source_set_destroy_callback(s, free);
	(void)sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
}

void bootstart_ended(struct operation *op, enum journal_state state)
{
	const struct container *c = desired_find(op->agent->desired, op->order.container_id);

	if (c && op->order.op == OP_CONTAINER_START && state == JOURNAL_FAILED &&
		operation_is_own(op))
		try_again(op->agent, c);
}

void bootstart_resume(struct agent *a)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		try_again(a, desired_at(a->desired, i));
}

/* --- the host goes down --- */

bool bootstart_is_host_stopping(void)
{
	sd_bus *bus = NULL;
	char *state = NULL;
	int r = sd_bus_open_system(&bus);
	bool stopping;

	if (r >= 0)
		r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1",
			"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
			"SystemState", NULL, &state);
	if (r < 0)
		LOG(LOG_NOTICE, STOPPING, FIELDS(.errnum = -r),
			"systemd can't be asked whether the host goes down: %s", strerror(-r));
	stopping = r >= 0 && strcmp(state, "stopping") == 0;

	free(state);
	sd_bus_unref(bus);
	return stopping;
}

static void on_stopped(struct worker_result *res, void *userdata);

static void stop_all(struct agent *a)
{
	_cleanup_(freep) char *text = worker_job_text(&a->conf, NULL, "shutdown-all", "act",
		jsonx_pack("{s:o}", "containers", opstate_brief(a, NULL)));

	a->stop_again = unfinished_is_launching(a->engine) && agent_elapsed_ms() < a->stop_end_ms;
	worker_run(a->stopper, text, STOP_MS, on_stopped, NULL, a);
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata);

/* What was being launched when the others were asked to end will run, and knows nothing of it. */
static void look_later(struct agent *a)
{
	sd_event_source *s;

	if (sd_event_add_time_relative(
		    a->event, &s, CLOCK_BOOTTIME, LAUNCHED_US, 1000, on_look, a) < 0)
		abort(); /* only for want of memory */
	(void)sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	if (unfinished_is_launching(a->engine) && agent_elapsed_ms() < a->stop_end_ms)
		look_later(a);
	else
		stop_all(a);
	return sd_event_source_set_floating(s, false); /* the event loop's was the only reference */
}

static void on_stopped(struct worker_result *res, void *userdata)
{
	struct agent *a = userdata;

	if (res->r < 0)
		LOG(LOG_ERR, STOPPING, FIELDS(.err = res->err),
			"not every container could be stopped: %s", res->err->message);
	if (res->r >= 0 && a->stop_again)
		look_later(a);
	else
		(void)sd_event_exit(a->event, 0);
}

/* Their statuses stay as they are: the next boot sees to them. */
bool bootstart_stop_all(struct agent *a)
{
	bool any = unfinished_is_launching(a->engine);

	for (size_t i = 0; i < desired_count(a->desired); i++)
		any = any || ctwatch_pid(desired_at(a->desired, i)) > 0;
	if (!any)
		return false;
	LOG(LOG_NOTICE, STOPPING, NO_FIELDS, "the host goes down: every container is asked to end");
	a->stopper = worker_take_last(a->workers);
	a->stop_end_ms = agent_elapsed_ms() + STOP_MS;
	stop_all(a);
	return true;
}
