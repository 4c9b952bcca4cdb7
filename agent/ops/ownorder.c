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

/* An update of what is so already looks after its host name, its limits and all its mounts: liblxc
 * has started it as it was launched. */
void ownorder_rebooted(struct agent *a, const struct container *c)
{
	json_t *params = jsonx_pack("{s:{}, s:b}", "limits", "ramdisk", c->spec.ramdisk);

	if (*c->spec.name)
		jsonx_set_string(params, "name", c->spec.name);
	ownorder_make(a, OP_CONTAINER_UPDATE, c->spec.id, c->spec.project_id, params);
}

void ownorder_source_changed(struct agent *a, const struct container *c)
{
	for_all_of(a, OP_SHARE_UPDATE, c->spec.id);
}

void ownorder_source_gone(struct agent *a, const char *container_id)
{
	for_all_of(a, OP_SHARE_DELETE, container_id);
}
