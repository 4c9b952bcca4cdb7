/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node.* ops that change nothing but what the agent itself knows: no steps, all in one
 * transaction. */
#include "agent/journald.h"
#include "agent/ops.h"
#include "agent/tell.h"
#include "agent/trust.h"
#include "agent/uplink.h"
#include "proto/jsonx.h"

static enum ops_verdict always(struct agent *a, struct operation *op)
{
	return OPS_RUN;
}

static void resync_finish(struct agent *a, struct operation *op)
{
	tell_hello(a);
}

/* Judged against the keyset of this very moment: several steps may come at once. */
static enum ops_verdict keyset_check(struct agent *a, struct operation *op)
{
	_cleanup_(freep) char *envelope = jsonx_dump(json_object_get(op->order.params, "keyset"));
	struct keyset next;

	if (keyset_rotate(&a->keyset, envelope, strlen(envelope), &next, &op->err) < 0)
		return OPS_REFUSED;
	trust_adopt(a, &next);
	uplink_keys_changed(a->uplink);
	op->result = json_pack("{s:I}", "version", (json_int_t)next.version);
	return OPS_RUN;
}

const struct opdef ops_node[] = {
	{ OP_NODE_RESYNC, OPS_RESUME, always, NULL, resync_finish, NULL, NULL, 0 },
	{ OP_NODE_KEYSET, OPS_RESUME, keyset_check, NULL, NULL, NULL, NULL, 0 },
};
const size_t ops_node_count = countof(ops_node);
