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

#define STOP_MS 45000 /* the job itself takes 30 s at most */

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

static void on_stopped(struct worker_result *res, void *userdata)
{
	struct agent *a = userdata;

	if (res->r < 0)
		LOG(LOG_ERR, STOPPING, FIELDS(.err = res->err),
			"not every container could be stopped: %s", res->err->message);
	(void)sd_event_exit(a->event, 0);
}

/* Their statuses stay as they are: the next boot sees to them. */
bool bootstart_stop_all(struct agent *a)
{
	_cleanup_(freep) char *text = NULL;
	bool any = false;

	for (size_t i = 0; i < desired_count(a->desired); i++)
		any = any || ctwatch_pid(desired_at(a->desired, i)) > 0;
	if (!any)
		return false;
	LOG(LOG_NOTICE, STOPPING, NO_FIELDS, "the host goes down: every container is asked to end");
	text = worker_job_text(&a->conf, NULL, "shutdown-all", "act",
		jsonx_pack("{s:o}", "containers", opstate_brief(a, NULL)));
	a->stopper = worker_take_last(a->workers);
	worker_run(a->stopper, text, STOP_MS, on_stopped, NULL, a);
	return true;
}
