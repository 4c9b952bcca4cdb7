/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/supervise.h"

#include "agent/common/agent.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctfiles.h"
#include "agent/host/ctmounts.h"
#include "agent/host/ctnet.h"
#include "agent/ops/bootstart.h"
#include "agent/ops/ownorder.h"
#include "agent/ops/reaper.h"
#include "agent/report/status.h"
#include "proto/jsonx.h"

/* Of as many targets as come up at once each asks, and one look is at all of them. */
static void look_again(struct agent *a, const char *share_id)
{
	_cleanup_json_ json_t *params = jsonx_pack("{s:s}", "share_id", share_id);

	if (!unfinished_is_asked(a->engine, OP_SHARE_UPDATE, params))
		ownorder_share(a, OP_SHARE_UPDATE, share_id);
}

void supervise_acted(struct operation *op, struct container *c, struct worker_result *res)
{
	struct agent *a = op->agent;

	if (c && json_object_get(res->data, "env")) {
		ctfiles_note(a, c, res->data);
		reaper_look(a->reaper);
	}
	if (!op->at.undoing)
		ctmounts_note(a, res->data,
			json_string_value(json_object_get(op->order.params, "share_id")),
			look_again);
	if (res->fd >= 0 && c)
		ctwatch_attach(a, c, (pid_t)json_integer_value(json_object_get(res->data, "pid")),
			take_fd(&res->fd));
}

/* One that ended with the host, while an operation had it, has missed the start of all others. */
static void on_ended(
	struct agent *a, struct container *c, int64_t ended_ms, bool booted, json_t *cause_steals)
{
	status_set(a, c, CT_STOPPED, ended_ms, booted ? "system" : "crash", cause_steals);
	ctnet_settle(a, c);
	ctwatch_look_after(a, c, true);
	if (booted)
		bootstart_order_one(a, c);
}

const struct ctwatch_owner supervise_watch = { .ended = on_ended, .rebooted = ownorder_restart };
