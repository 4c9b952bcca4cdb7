/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/ownorder.h"

#include "agent/common/agent.h"
#include "agent/engine/engine.h"
#include "agent/ops/localorder.h"
#include "agent/state/sharelist.h"
#include "proto/jsonx.h"

void ownorder_make(struct agent *a, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals)
{
	_cleanup_json_ json_t *params = params_steals ? params_steals : json_object();
	_cleanup_order_ struct order o = {};
	struct err err;

	if (localorder_make(a, op, container_id, project_id, params, &o, &err) == 0)
		engine_accept(a->engine, &o, "agent");
}

void ownorder_share(struct agent *a, enum op op, const char *share_id)
{
	ownorder_make(a, op, NULL, NULL, jsonx_pack("{s:s}", "share_id", share_id));
}

static void for_all_of(struct agent *a, enum op op, const char *source_id)
{
	_cleanup_json_ json_t *shares = sharelist_of_source(a->store, source_id);
	json_t *share;
	size_t i;

	json_array_foreach(shares, i, share)
		ownorder_share(a, op, json_string_value(json_object_get(share, "id")));
}

void ownorder_restart(struct agent *a, const struct container *c)
{
	ownorder_make(a, OP_CONTAINER_RESTART, c->spec.id, c->spec.project_id, NULL);
}

void ownorder_source_changed(struct agent *a, const struct container *c)
{
	for_all_of(a, OP_SHARE_UPDATE, c->spec.id);
}

void ownorder_source_gone(struct agent *a, const char *container_id)
{
	for_all_of(a, OP_SHARE_DELETE, container_id);
}
