/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/intake.h"

#include "agent/common/journald.h"
#include "agent/engine/engine.h"
#include "agent/report/tell.h"
#include "agent/state/journal.h"
#include "agent/state/trust.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

/* What a stranger can cause is said ten times, then once in ten seconds. */
static struct journald_limit limit = { .burst = 10, .interval_ms = 10000 };

static void log_refusal(const struct order *o, const struct err *err, int64_t now_ms)
{
	uint64_t dropped = 0;

	if (!journald_limit_pass(&limit, now_ms, &dropped))
		return;
	LOG(err->code == ERR_EQUIVOCATION ? LOG_ALERT : LOG_WARNING, ORDER_REFUSED,
		FIELDS(.order_id = o->id, .seq = (int64_t)o->seq, .op = o->op_name,
			.origin = "control", .err = err, .dropped = dropped),
		"order %s refused: %s", o->id[0] ? o->id : "(unknown)", err->message);
}

/* `after` says "journaled up to here": an authentic order that is refused counts, or it would come
 * for ever. */
static void acknowledge(struct agent *a, const struct order *o)
{
	if (o->seq)
		journal_raise_high_seq(a->store, o->seq);
}

static enum intake_verdict reject(
	struct agent *a, const struct order *o, const struct err *err, int64_t now_ms)
{
	_cleanup_json_ json_t *error = errjson_make(err);
	_cleanup_(freep) char *text = jsonx_dump(error);

	(void)journal_add(a->store, o, "control", now_ms, JOURNAL_REJECTED, text);
	acknowledge(a, o);
	tell_rejected(a, o, err);
	log_refusal(o, err, now_ms);
	return INTAKE_REJECTED;
}

/* Told once of all that a poll brings: who has one old order could have us write reports without
 * end. */
static enum intake_verdict duplicate(
	struct agent *a, struct intake *in, const struct order *o, int64_t row)
{
	for (size_t i = 0; i < in->n_told; i++)
		if (in->told[i] == row)
			return INTAKE_DUPLICATE;
	if (in->n_told < countof(in->told))
		in->told[in->n_told++] = row;
	tell_row(a, row);
	LOG(LOG_DEBUG, ORDER_DUPLICATE, FIELDS(.order_id = o->id, .seq = (int64_t)o->seq),
		"order %s is here already", o->id);
	return INTAKE_DUPLICATE;
}

/* Its signer has issued one before it that we have not seen: it waits for that, also where it is to
 * be refused, which would move `after` past both. */
static bool is_ahead(struct agent *a, struct intake *in, const struct order *o)
{
	if (o->prev_seq <= journal_high_seq(a->store))
		return false;
	if (!in->gap_before)
		in->gap_before = o->prev_seq;
	return true;
}

/* Other bytes under a known id can't get a row of their own, nor touch that of the first: told, and
 * counted as read. */
static enum intake_verdict equivocation(struct agent *a, const struct order *o, int64_t now_ms)
{
	struct err err;

	(void)err_set(&err, -EEXIST, ERR_EQUIVOCATION, "id",
		"order id %s was used before with other bytes: its signer contradicts itself",
		o->id);
	acknowledge(a, o);
	tell_rejected(a, o, &err);
	log_refusal(o, &err, now_ms);
	return INTAKE_REJECTED;
}

/* A journaled order that comes again is a duplicate whatever the clock says by now: it has its one
 * end. */
static enum intake_verdict refused_by_form(struct agent *a, struct intake *in,
	const struct order *o, const struct order_trail *trail, const struct err *err,
	int64_t now_ms)
{
	int64_t row;

	if (!trail->ours || !o->seq) {
		log_refusal(o, err, now_ms);
		return INTAKE_REFUSED;
	}
	if (is_ahead(a, in, o))
		return INTAKE_AHEAD;
	if (!o->id[0]) { /* which it could be told by */
		acknowledge(a, o);
		log_refusal(o, err, now_ms);
		return INTAKE_REJECTED;
	}
	switch (journal_lookup(a->store, o->id, o->digest, &row)) {
	case JOURNAL_SAME:
		return duplicate(a, in, o, row);
	case JOURNAL_OTHER:
		return equivocation(a, o, now_ms);
	case JOURNAL_UNKNOWN:
		break;
	}
	return reject(a, o, err, now_ms);
}

enum intake_verdict intake_envelope(
	struct agent *a, struct intake *in, const void *envelope, size_t size)
{
	_cleanup_order_ struct order o = {};
	struct order_trail trail = {};
	int64_t now_ms = journal_trusted_now_ms(a->store), row;
	struct err err = {};
	enum op op;

	if (order_open(envelope, size, &a->keyset, a->conf.node.node_id, now_ms, &o, &trail, &err) <
		0)
		return refused_by_form(a, in, &o, &trail, &err, now_ms);
	if (is_ahead(a, in, &o))
		return INTAKE_AHEAD;
	switch (journal_lookup(a->store, o.id, o.digest, &row)) {
	case JOURNAL_SAME:
		return duplicate(a, in, &o, row);
	case JOURNAL_OTHER:
		return equivocation(a, &o, now_ms);
	case JOURNAL_UNKNOWN:
		break;
	}
	if (o.seq <= journal_high_seq(a->store)) {
		(void)err_set(&err, -ESTALE, ERR_REPLAYED, "seq",
			"seq %llu is not above %llu, the highest one journaled",
			(unsigned long long)o.seq, (unsigned long long)journal_high_seq(a->store));
		return reject(a, &o, &err, now_ms);
	}
	if (order_check(&o, &err) < 0)
		return reject(a, &o, &err, now_ms);
	acknowledge(a, &o);
	journal_raise_latest_time(a->store, o.issued_ms);
	op = o.op;
	engine_accept(a->engine, &o, "control");
	if (op == OP_NODE_KEYSET)
		engine_turn(a->engine); /* whom we trust is decided before the next envelope is
					   judged */
	return INTAKE_ACCEPTED;
}

bool intake_keyset(struct agent *a, const void *envelope, size_t size)
{
	struct err err = {};
	uint64_t dropped = 0;
	int r = trust_rotate(a, envelope, size, &err);

	if (r < 0 && r != -ESTALE && journald_limit_pass(&limit, agent_now_ms(), &dropped))
		LOG(LOG_WARNING, KEYSET_REFUSED, FIELDS(.err = &err, .dropped = dropped),
			"a keyset is refused: %s", err.message);
	return r >= 0;
}
