/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environment variables (hoody-api.md section 7). */
#include "agent/api/api_handlers.h"
#include "agent/state/desired.h"
#include "agent/state/envlist.h"
#include "proto/jsonx.h"

void api_env_get(struct api_call *c)
{
	const struct container *found = api_container(c);

	if (found)
		api_ok(c, 200, "environment",
			jsonx_pack("{s:o, s:o}", "environment_vars",
				envlist_vars(c->agent->store, found->spec.id), "env_sync",
				envlist_sync(c->agent->store, found->spec.id)));
}
