/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots (hoody-api.md section 10). */
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/state/desired.h"
#include "agent/state/snaplist.h"
#include "proto/jsonx.h"

void api_snapshot_list(struct api_call *c)
{
	const struct container *found = api_container(c);
	json_t *list;

	if (!found)
		return;
	list = snaplist_json(c->agent->store, found->spec.id);
	api_list(c, "snapshots", list,
		jsonx_pack("{s:s, s:s, s:I, s:n}", "container_id", found->spec.id, "project_id",
			found->spec.project_id, "snapshot_count", (json_int_t)json_array_size(list),
			"max_snapshots"));
}
