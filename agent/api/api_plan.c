/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an order would do: judged and checked like one that comes, and nothing of it done. */
#include "agent/api/api_handlers.h"
#include "agent/ops/ops.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

/* The journal's two checks, without a trace in it. */
static int check_journal(struct agent *a, const struct order *o, struct err *err)
{
	int64_t row;

	switch (journal_lookup(a->store, o->id, o->digest, &row)) {
	case JOURNAL_SAME:
		return err_set(err, -EEXIST, ERR_REPLAYED, "id",
			"order %s is in the journal already: it would not be executed again",
			o->id);
	case JOURNAL_OTHER:
		return err_set(err, -EEXIST, ERR_EQUIVOCATION, "id",
			"order id %s was used before with other bytes", o->id);
	case JOURNAL_UNKNOWN:
		break;
	}
	if (o->seq <= journal_high_seq(a->store))
		return err_set(err, -ESTALE, ERR_REPLAYED, "seq",
			"seq %llu is not above %llu, the highest one journaled",
			(unsigned long long)o->seq, (unsigned long long)journal_high_seq(a->store));
	return 0;
}

static json_t *steps_of(const struct operation *op)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < op->def->n_steps; i++) {
		const struct opdef_step *s = &op->def->steps[i];

		if (!s->skip || !s->skip(op))
			(void)json_array_append_new(
				list, jsonx_pack("{s:s, s:s?, s:b}", "name", opdef_step_name(s),
					      "job", s->job, "undone_on_failure", s->has_undo));
	}
	return list;
}

/* check() decides in memory; that of an op without steps may already do its work, and is not
 * asked. */
static json_t *plan(struct agent *a, struct operation *op)
{
	const struct container *c = desired_find(a->desired, op->order.container_id);
	enum opdef_verdict verdict = OPDEF_RUN;
	json_t *v;

	op->prev_status = c ? c->status : CT_NONE;
	if (!op->def)
		(void)err_set(&op->err, -ENOSYS, ERR_NOT_IMPLEMENTED, NULL, "%s",
			err_sentence(ERR_NOT_IMPLEMENTED));
	else if (op->def->n_steps > 0)
		verdict = op->def->check(a, op);
	v = jsonx_pack("{s:s, s:s, s:s?, s:s, s:o}", "order_id", op->order.id, "op",
		op->order.op_name, "container_id",
		op->order.container_id[0] ? op->order.container_id : NULL, "would",
		!op->def || verdict == OPDEF_REFUSED ? "fail"
		: verdict == OPDEF_NOTHING           ? "succeed with nothing to do"
						     : "run",
		"steps", op->def && verdict == OPDEF_RUN ? steps_of(op) : json_array());
	if (op->err.code)
		jsonx_set(v, "error", errjson_make(&op->err));
	json_decref(op->result);
	return v;
}

void api_plan_order(struct api_call *c)
{
	struct agent *a = c->agent;
	_cleanup_(freep) char *text = c->body ? jsonx_dump(c->body) : xstrdup("{}");
	struct operation op = { .agent = a };
	struct order_trail trail;
	struct err err = {};
	int r = order_open(text, strlen(text), &a->keyset, a->conf.node.node_id,
		journal_trusted_now_ms(a->store), &op.order, &trail, &err);

	if (r >= 0)
		r = check_journal(a, &op.order, &err);
	if (r >= 0)
		r = order_check(&op.order, &err);
	if (r >= 0) {
		op.def = ops_find(op.order.op);
		api_ok(c, 200, "plan", plan(a, &op));
	} else {
		api_fail(c, &err, NULL);
	}
	order_done(&op.order);
}
