/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET …/network (hoody-api.md section 9). */
#include "agent/api/api_handlers.h"
#include "agent/host/ctnet.h"
#include "agent/state/desired.h"

void api_network_get(struct api_call *c)
{
	const struct container *found = api_container(c);

	if (found)
		api_ok(c, 200, "network", ctnet_show(c->agent, found));
}
