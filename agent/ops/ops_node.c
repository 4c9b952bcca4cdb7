/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node.* ops that change nothing but what the agent itself knows: no steps, all in one
 * transaction. */
#include "agent/common/journald.h"
#include "agent/ops/ops.h"
#include "agent/report/tell.h"
#include "agent/state/trust.h"
#include "proto/jsonx.h"

static enum opdef_verdict always(struct agent *a, struct operation *op)
{
	return OPDEF_RUN;
}

static void resync_finish(struct agent *a, struct operation *op)
{
	tell_hello(a);
}

static int rotate_once(struct agent *a, const json_t *envelope, struct err *err)
{
	_cleanup_(freep) char *text = jsonx_dump(envelope);
	int r = trust_rotate(a, text, strlen(text), err);

	if (r < 0)
		LOG(LOG_WARNING, KEYSET_REFUSED, FIELDS(.err = err), "a keyset is refused: %s",
			err->message);
	return r;
}

/* One envelope, or several steps at once: each is judged against what the one before it has put in
 * force. The steps that were good stay, since their signers have said so; the order fails at the
 * first that is not. */
static enum opdef_verdict keyset_check(struct agent *a, struct operation *op)
{
	const json_t *given = json_object_get(op->order.params, "keyset");
	size_t n = json_is_array(given) ? json_array_size(given) : 1;
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		r = rotate_once(
			a, json_is_array(given) ? json_array_get(given, i) : given, &op->err);
	a->listener->keys_changed(a);
	op->result = jsonx_pack("{s:I}", "version", (json_int_t)a->keyset.version);
	return r < 0 ? OPDEF_REFUSED : OPDEF_RUN;
}

const struct opdef ops_node[] = {
	{ OP_NODE_RESYNC, OPDEF_RESUME, always, NULL, resync_finish, NULL, NULL, 0 },
	{ OP_NODE_KEYSET, OPDEF_RESUME, keyset_check, NULL, NULL, NULL, NULL, 0 },
};
const size_t ops_node_count = countof(ops_node);
