/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/report/status.h"

#include "agent/common/agent.h"
#include "agent/report/tell.h"

void status_set(struct agent *a, struct container *c, enum ct_status to, int64_t since_ms,
	const char *triggered_by, json_t *metadata_steals)
{
	enum ct_status from = c->status;

	desired_set_status(a->desired, c, to, agent_now_ms());
	tell_status(a, c, from, to, since_ms, triggered_by, metadata_steals);
	json_decref(metadata_steals);
}
