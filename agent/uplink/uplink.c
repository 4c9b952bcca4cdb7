/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of the courier. There are three errands, to poll for orders, to deliver
 * reports and to send statistics: each is out, or waits after a failure, or can go. Which are
 * out is the channel's state, so that its permits let through answers to what was asked and
 * nothing else. uplink_kick() sends what can go, after the commit: reports are staged before it,
 * and a poll goes out only while the outbox has room for what comes of it.
 *
 * The courier is not believed. A signature is judged here, over the request that we made, before
 * anything of the body is read; what it brings is judged order by order
 * (agent/uplink/orderbatch.h), and the next poll waits for that. Numbers without a signature
 * count only where none is required.
 *
 * A failure is logged when it changes, as are orders that seem to be withheld or forgotten. Where
 * the API could not be authenticated, the next try is a new courier's: the authorities may have
 * been replaced since this one has read them. */
#include "agent/uplink/uplink.h"

#include <sodium.h>
#include <time.h>

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/engine/unfinished.h"
#include "agent/host/leaf.h"
#include "agent/ops/reaper.h"
#include "agent/state/journal.h"
#include "agent/state/outbox.h"
#include "agent/uplink/apiclock.h"
#include "agent/uplink/couriersetup.h"
#include "agent/uplink/errand.h"
#include "agent/uplink/gather.h"
#include "agent/uplink/orderbatch.h"
#include "agent/uplink/pace.h"
#include "proto/dsse.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/nodecall.h"
#include "proto/orderpack.h"
#include "proto/report.h"
#include "proto/respsig.h"

#define OVERDUE_S 10  /* a courier is late by so much */
#define HASTE_MS  900 /* nothing, sooner than any wait that can be asked for */
#define FEW       8   /* orders, of which an answer has room whatever is in them */

static_assert(FEW * DSSE_ENVELOPE_MAX <= NODECALL_BODY_MAX / 2, "and for keysets beside them");

enum { POLL, DELIVER, STATS, ERRANDS };

/* Channel states: SETUP until READY, then a bit each for what is out. */
enum { SETUP = 0, IDLE = 1 };
#define WITH(bits) (1u << (IDLE + (bits)))
#define POLLING    (WITH(1) | WITH(3) | WITH(5) | WITH(7))
#define DELIVERING (WITH(2) | WITH(3) | WITH(6) | WITH(7))
#define STATS_OUT  (WITH(4) | WITH(5) | WITH(6) | WITH(7))
static_assert(ERRANDS == 3, "each has its states");

/* How an errand has ended. */
struct heard {
	enum frame_fail fail;
	uint64_t status;
};

struct uplink {
	struct agent *agent;
	struct leaf *leaf;
	struct errand errands[ERRANDS];
	struct gather gather;     /* reports */
	struct orderbatch *batch; /* what a poll has brought, until all of it is judged */
	uint64_t next_id;
	uint64_t polled_after;  /* the poll that is out asked for orders after this, */
	uint64_t polled_wait_s; /* and to wait so long */
	uint64_t polled_limit;  /* as the next one does: for so many at most */
	uint64_t head_seq;
	bool withheld_told, forgotten_told, full_told;
	struct heard heard[ERRANDS]; /* the last time; not of statistics */
	size_t last_failed;          /* POLL or DELIVER */
	bool connected;
	struct apiclock clock;
	struct pace pace;
	char *stats;         /* the newest, until it is sent; or NULL */
	uint64_t n_dropped;  /* older ones, since one has arrived */
	bool stats_known;    /* whether it takes them */
	bool takes_no_stats; /* an API that knows only the reports of them */
	struct couriersetup told;
	struct err untold; /* why no courier can be told what it needs, or nothing */
};

static const struct {
	const char *code, *words;
} fails[FRAME_FAIL_COUNT] = {
	[FRAME_FAIL_NONE] = { "", "" },
	[FRAME_FAIL_CONNECT] = { "connect", "no connection" },
	[FRAME_FAIL_TLS] = { "tls", "the control API could not be authenticated" },
	[FRAME_FAIL_TIMEOUT] = { "timeout", "no answer in time" },
	[FRAME_FAIL_HTTP] = { "http", "the control API refused" },
	[FRAME_FAIL_SIGNATURE] = { "bad_signature",
		"the response's signature is missing or wrong" },
	[FRAME_FAIL_CLOCK] = { "clock_skew", "the control API's clock and this node's differ" },
	[FRAME_FAIL_BODY] = { "body", "the response is not what the protocol says" },
};

static void update_state(struct uplink *u)
{
	unsigned bits = 0;

	for (size_t i = 0; i < ERRANDS; i++)
		bits |= (unsigned)u->errands[i].out << i;
	if (leaf_channel(u->leaf))
		channel_set_state(leaf_channel(u->leaf), IDLE + bits);
}

static void failed(struct errand *e, uint64_t retry_after_ms)
{
	const struct uplink *u = e->userdata;

	errand_failed(e, pace_spread_ms(&u->pace, &u->agent->conf), retry_after_ms);
}

/* A courier that never answers is replaced. */
static void overdue(struct errand *e)
{
	leaf_overdue(((struct uplink *)e->userdata)->leaf);
}

static const char *words_of(
	const struct uplink *u, enum frame_fail fail, char buffer[static APICLOCK_WORDS_MAX])
{
	if (fail != FRAME_FAIL_CLOCK || !u->clock.signed_ms)
		return fails[fail].words;
	apiclock_words(&u->clock, buffer);
	return buffer;
}

static bool is_alike(const struct heard *a, const struct heard *b)
{
	return a->fail == b->fail && a->status == b->status;
}

/* One line when something changes, none while it stays as it is: of polls and deliveries, either
 * of which may fail alone. What both have failed by is over when one of them hasn't. */
static void note(struct uplink *u, const struct errand *e, enum frame_fail fail, uint64_t status)
{
	struct heard *before = &u->heard[e - u->errands],
		     *other = &u->heard[e == &u->errands[POLL] ? DELIVER : POLL];
	const struct heard now = { fail, status };
	const bool told = is_alike(&now, before) || is_alike(&now, other);
	char buffer[APICLOCK_WORDS_MAX];

	if (fail == FRAME_FAIL_NONE && is_alike(before, other))
		*other = now;
	*before = now;
	if (fail != FRAME_FAIL_NONE) {
		if (!told)
			LOG(LOG_WARNING, CONTROL_FAILED, NO_FIELDS,
				"the control API at %s: %s (status %llu)",
				u->agent->conf.control.api_url, words_of(u, fail, buffer),
				(unsigned long long)status);
		u->last_failed = (size_t)(e - u->errands);
		u->connected = false;
	} else if (other->fail == FRAME_FAIL_NONE) {
		if (!u->connected)
			LOG(LOG_NOTICE, CONTROL_CONNECTED, NO_FIELDS,
				"the control API at %s answers", u->agent->conf.control.api_url);
		u->connected = true;
	}
}

/* --- what the courier says --- */

/* Nothing came though the API has issued more than we have, or an order that names one before it
 * which did not: somebody on the way keeps orders from us. Said once. */
static void look_for_withheld(struct uplink *u, const struct orderbatch_end *end)
{
	uint64_t have = journal_high_seq(u->agent->store), issued = end->gap_before
									    ? end->gap_before
								    : end->n_orders ? 0
										    : end->head_seq;

	if (issued > have && !u->withheld_told)
		LOG(LOG_ALERT, ORDERS_WITHHELD, FIELDS(.seq = (int64_t)issued),
			"orders_withheld: the API has issued up to seq %llu, we were given none "
			"after %llu",
			(unsigned long long)issued, (unsigned long long)have);
	u->withheld_told = issued > have;
}

/* The API has issued less than we have: it was put back to an older state, and what it issues from
 * there on is below what we ask for. Said once. */
static void look_for_forgotten(struct uplink *u, const struct orderbatch_end *end)
{
	uint64_t have = journal_high_seq(u->agent->store);
	bool forgotten = end->n_orders == 0 && end->head_seq > 0 && end->head_seq < have;

	if (forgotten && !u->forgotten_told)
		LOG(LOG_ALERT, ORDERS_FORGOTTEN, FIELDS(.seq = (int64_t)have),
			"the control API has issued up to seq %llu, and we have had up to %llu: "
			"what it issues below that never comes here",
			(unsigned long long)end->head_seq, (unsigned long long)have);
	u->forgotten_told = forgotten;
}

static void finish_poll(struct uplink *u, const struct orderbatch_end *end, bool hasty)
{
	bool new = end->rotated || journal_high_seq(u->agent->store) > u->polled_after;

	u->head_seq = end->head_seq;
	if (end->n_orders < u->polled_limit)
		u->polled_limit = ORDERPACK_MAX; /* there are no more */
	look_for_withheld(u, end);
	look_for_forgotten(u, end);
	note(u, &u->errands[POLL], FRAME_FAIL_NONE, 0);
	/* Nothing that we had not, or nothing at all and that too soon: must not make us spin. */
	if (u->withheld_told || (!new && (hasty || end->n_orders > 0)))
		failed(&u->errands[POLL], 0);
	else
		errand_succeeded(&u->errands[POLL]);
	update_state(u);
}

static void on_judged(const struct orderbatch_end *end, void *userdata)
{
	struct uplink *u = userdata;

	u->batch = orderbatch_free(u->batch);
	finish_poll(u, end, false);
}

static int polled(struct uplink *u, struct nodecall_orders *got)
{
	if (got->n_keysets + got->n_orders > 0) {
		errand_end(&u->errands[POLL]);
		update_state(u);
		return orderbatch_new(u->agent, got, on_judged, u, &u->batch);
	}
	finish_poll(u, &(struct orderbatch_end){ .head_seq = got->head_seq },
		errand_took_ms(&u->errands[POLL]) < HASTE_MS);
	return 0;
}

static bool must_be_signed(const struct uplink *u)
{
	return u->agent->conf.control.response_signature == CONF_SIGNATURE_REQUIRED;
}

/* The one that is out under this id, or NULL. */
static struct errand *errand_of(struct uplink *u, uint64_t id)
{
	for (size_t i = 0; i < ERRANDS; i++)
		if (u->errands[i].out && u->errands[i].id == id)
			return &u->errands[i];
	return NULL;
}

/* Older ones are no loss: the next are newer. */
static void stats_failed(struct uplink *u, uint64_t status)
{
	u->n_dropped++;
	if (status != 404 && status != 405)
		return;
	u->stats_known = u->takes_no_stats = true;
	u->agent->listener->stats_changed(u->agent);
}

/* An answer came, and not to its end: too long to be read, for its time or for its way. */
static bool was_begun(enum frame_fail why, uint64_t status)
{
	return why == FRAME_FAIL_BODY ||
	       (status == 200 && (why == FRAME_FAIL_TIMEOUT || why == FRAME_FAIL_CONNECT));
}

static void fail(struct uplink *u, struct errand *e, enum frame_fail why, uint64_t status,
	uint64_t retry_after_ms)
{
	/* By a key that was rotated away since it was asked: asked again, it says so. */
	const bool outdated =
		why == FRAME_FAIL_SIGNATURE && e->keyset_version != u->agent->keyset.version;

	if (e == &u->errands[POLL] && was_begun(why, status))
		u->polled_limit = FEW; /* it may have been too long an answer */
	if (e == &u->errands[STATS])
		stats_failed(u, status);
	else if (!outdated)
		note(u, e, why, status);
	if (!outdated && (why == FRAME_FAIL_SIGNATURE || why == FRAME_FAIL_CLOCK))
		reaper_time_doubted(u->agent->reaper);
	if (outdated)
		errand_end(e);
	else
		failed(e, retry_after_ms);
	update_state(u);
	if (why == FRAME_FAIL_TLS)
		leaf_renew(u->leaf); /* it believes in whom it has read at its start */
}

static int on_orders(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);
	_cleanup_nodecall_orders_ struct nodecall_orders got = {
		.head_seq = m->frame.a, .n_orders = m->frame.b, .n_keysets = m->frame.c
	};

	if (must_be_signed(u) || m->frame.id != u->errands[POLL].id ||
		got.n_orders > ORDERPACK_MAX || got.n_keysets > ORDERPACK_KEYSETS_MAX ||
		got.head_seq > IDENT_SEQ_MAX || (got.n_orders + got.n_keysets > 0) != (m->size > 0))
		return -EBADMSG;
	if (m->size > 0) {
		got.pack.data = xcalloc(1, m->size);
		got.pack.size = m->size;
		memcpy(got.pack.data, m->payload, m->size);
	}
	return polled(u, &got);
}

static void delivered(struct uplink *u, uint64_t acked_seq)
{
	int r = outbox_acked(u->agent->outbox, acked_seq);

	if (r < 0)
		LOG(LOG_WARNING, CONTROL_FAILED, NO_FIELDS,
			"the control API acknowledged report %llu, which was never made",
			(unsigned long long)acked_seq);
	if (r > 0)
		errand_succeeded(&u->errands[DELIVER]);
	else
		failed(&u->errands[DELIVER], 0); /* the same again, but not at once */
	note(u, &u->errands[DELIVER], FRAME_FAIL_NONE, 0);
	update_state(u);
}

static void stats_taken(struct uplink *u)
{
	u->n_dropped = 0;
	u->stats_known = true;
	errand_succeeded(&u->errands[STATS]);
	update_state(u);
	u->agent->listener->stats_changed(u->agent);
}

static int on_taken(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);

	if (must_be_signed(u) || m->frame.id != u->errands[STATS].id)
		return -EBADMSG;
	stats_taken(u);
	return 0;
}

static int on_acked(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);

	if (must_be_signed(u) || m->frame.id != u->errands[DELIVER].id)
		return -EBADMSG;
	delivered(u, m->frame.a);
	return 0;
}

/* The path that it was asked for by; the caller's. */
static char *path_of(const struct uplink *u, const struct errand *e)
{
	const char *id = u->agent->conf.node.node_id;
	_cleanup_(freep) char *call = e == &u->errands[POLL]
					      ? nodecall_orders_path(id, u->polled_after,
							u->polled_wait_s, u->polled_limit)
				      : e == &u->errands[DELIVER] ? nodecall_reports_path(id)
								  : nodecall_stats_path(id);

	return xasprintf("%s%s", nodecall_base_path(u->agent->conf.control.api_url), call);
}

/* What a courier passes on: a signature and the bytes that it is of. */
struct answer {
	char *signature;
	const uint8_t *body;
	size_t size;
	int status;
};

/* Of this very request, by a key that we trust. */
static enum frame_fail judge_signature(
	struct uplink *u, const struct errand *e, const struct answer *got)
{
	const struct agent *a = u->agent;
	_cleanup_(freep) char *path = path_of(u, e);
	const struct respsig_response r = { .method = e == &u->errands[POLL] ? "GET" : "POST",
		.status = got->status,
		.path = path,
		.body = got->body,
		.body_size = got->size };
	const int64_t now_ms = agent_now_ms();
	int64_t signed_ms;
	struct err err;
	int v = a->has_keyset
			? respsig_verify(got->signature, &r, &a->keyset, now_ms, &signed_ms, &err)
			: -ENOKEY;

	if (v < 0 && v != -ESTALE)
		return FRAME_FAIL_SIGNATURE;
	apiclock_heard(&u->clock, signed_ms, now_ms, (int64_t)errand_took_ms(e));
	if (v < 0)
		return FRAME_FAIL_CLOCK;
	reaper_time_confirmed(a->reaper, now_ms);
	return FRAME_FAIL_NONE;
}

static void keep_pace(struct uplink *u, const struct nodecall_pace *said)
{
	if (pace_keep(&u->pace, said))
		u->agent->listener->stats_changed(u->agent);
}

static int read_polled(struct uplink *u, const struct answer *got)
{
	_cleanup_nodecall_orders_ struct nodecall_orders orders = {};

	if (nodecall_read_orders(got->body, got->size, &orders) < 0) {
		fail(u, &u->errands[POLL], FRAME_FAIL_BODY, 200, 0);
		return 0;
	}
	keep_pace(u, &orders.pace);
	return polled(u, &orders);
}

static int read_acked(struct uplink *u, const struct answer *got)
{
	struct nodecall_pace said;
	uint64_t acked_seq;

	if (nodecall_read_acked(got->body, got->size, &acked_seq, &said) < 0) {
		fail(u, &u->errands[DELIVER], FRAME_FAIL_BODY, 200, 0);
		return 0;
	}
	keep_pace(u, &said);
	delivered(u, acked_seq);
	return 0;
}

static int read_taken(struct uplink *u, const struct answer *got)
{
	const struct nodecall_pace said = nodecall_read_pace(got->body, got->size);

	stats_taken(u);
	keep_pace(u, &said);
	return 0;
}

/* What is signed is read here, and only after that: a courier's own numbers could hide an order
 * that it leaves out, or have reports forgotten that never arrived. */
static int on_signed(struct channel *ch, struct channel_message *m, void *userdata)
{
	static int (*const read[ERRANDS])(struct uplink *, const struct answer *) = {
		[POLL] = read_polled, [DELIVER] = read_acked, [STATS] = read_taken
	};
	struct uplink *u = leaf_owner(userdata);
	struct errand *e = errand_of(u, m->frame.id);
	const uint64_t n = m->frame.a;
	_cleanup_(freep) char *signature = NULL;
	struct answer got;
	enum frame_fail why;

	if (!e || n == 0 || n > NODECALL_SIGNATURE_MAX || n > m->size ||
		m->size - n > NODECALL_BODY_MAX ||
		(m->frame.b != 200 && !(m->frame.b == 204 && e == &u->errands[STATS])))
		return -EBADMSG;
	signature = xcalloc(1, n + 1);
	memcpy(signature, m->payload, n);
	got = (struct answer){ signature, (const uint8_t *)m->payload + n, m->size - n,
		(int)m->frame.b };
	why = judge_signature(u, e, &got);
	if (why == FRAME_FAIL_NONE)
		return read[e - u->errands](u, &got);
	fail(u, e, why, m->frame.b, 0);
	return 0;
}

static int on_failed(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);
	struct errand *e = errand_of(u, m->frame.id);

	if (!e || m->frame.c <= FRAME_FAIL_NONE || m->frame.c >= FRAME_FAIL_COUNT ||
		m->frame.a > 999)
		return -EBADMSG;
	fail(u, e, (enum frame_fail)m->frame.c, m->frame.a, m->frame.b);
	return 0;
}

static int on_ready(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);

	leaf_ready(u->leaf);
	update_state(u);
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_COURIER_READY, (1u << SETUP), .handler = on_ready },
	{ FRAME_COURIER_ORDERS, POLLING, .payload = true, .payload_optional = true,
		.handler = on_orders },
	{ FRAME_COURIER_ACKED, DELIVERING, .handler = on_acked },
	{ FRAME_COURIER_TAKEN, STATS_OUT, .handler = on_taken },
	{ FRAME_COURIER_SIGNED, POLLING | DELIVERING | STATS_OUT, .payload = true,
		.handler = on_signed },
	{ FRAME_COURIER_FAILED, POLLING | DELIVERING | STATS_OUT, .handler = on_failed },
};

/* --- its life --- */

static void on_down(void *userdata)
{
	struct uplink *u = userdata;

	/* Its end is no word about the courier that comes next; it is asked again. */
	u->batch = orderbatch_free(u->batch);
	for (size_t i = 0; i < ERRANDS; i++)
		errand_end(&u->errands[i]);
}

static int send_setup(struct channel *ch, void *userdata, struct err *err)
{
	struct uplink *u = userdata;
	int r = couriersetup_send(u->agent, ch, &u->told, err);

	u->untold = r < 0 ? *err : (struct err){};
	return r;
}

static const struct leaf_kind courier = {
	.name = "hoody-courier",
	.what = "the courier",
	.role = LEAFID_COURIER,
	.failed = JOURNALD_COURIER_FAILED,
	.violation = JOURNALD_COURIER_VIOLATION,
	.permits = permits,
	.n_permits = countof(permits),
	.set_up = send_setup,
	.down = on_down,
};

int uplink_new(struct agent *a, struct uplink **ret, struct err *err)
{
	struct uplink *u = xcalloc(1, sizeof(*u));
	int r;

	u->agent = a;
	u->gather.event = a->event;
	u->polled_limit = ORDERPACK_MAX;
	for (size_t i = 0; i < ERRANDS; i++)
		u->errands[i] =
			(struct errand){ .event = a->event, .overdue = overdue, .userdata = u };
	r = leaf_new(a, &courier, u, &u->leaf, err);
	if (r < 0) {
		free(u);
		return r;
	}
	*ret = u;
	return 0;
}

struct uplink *uplink_free(struct uplink *u)
{
	if (!u)
		return NULL;
	u->leaf = leaf_free(u->leaf);
	u->batch = orderbatch_free(u->batch);
	gather_done(&u->gather);
	for (size_t i = 0; i < ERRANDS; i++)
		errand_done(&u->errands[i]);
	free(u->stats);
	free(u);
	return NULL;
}

/* --- what it is told --- */

void uplink_ended(struct uplink *u)
{
	if (u)
		gather_end(&u->gather);
}

void uplink_stage(struct uplink *u)
{
	const struct agent *a = u ? u->agent : NULL;

	if (!u || u->errands[DELIVER].out || u->errands[DELIVER].waiting ||
		gather_waits(&u->gather,
			outbox_reports(a->outbox) > 0 && unfinished_count(a->engine) > 0))
		return;
	gather_done(&u->gather);
	(void)outbox_stage(a->outbox, agent_now_ms(), a->boot_id);
}

static bool serves(const struct uplink *u)
{
	const struct channel *ch = leaf_channel(u->leaf);

	return ch && channel_state(ch) != SETUP;
}

static bool may_send(const struct uplink *u, const struct errand *e)
{
	return serves(u) && !e->out && !e->waiting;
}

static void send_errand(
	struct errand *e, struct frame *f, const char *payload, size_t size, uint64_t within_s)
{
	struct uplink *u = e->userdata;

	f->id = e->id = ++u->next_id;
	e->keyset_version = u->agent->keyset.version;
	errand_begin(e, (within_s + OVERDUE_S) * 1000);
	if (channel_send(leaf_channel(u->leaf), f, payload, size, -1) < 0)
		failed(e, 0);
	update_state(u);
}

static bool has_room(struct uplink *u)
{
	bool full = outbox_is_full(u->agent->outbox);

	if (full && !u->full_told)
		LOG(LOG_ERR, OUTBOX_FULL, NO_FIELDS,
			"%llu reports (%llu bytes) wait to be acknowledged: no order is taken "
			"until some are",
			(unsigned long long)outbox_reports(u->agent->outbox),
			(unsigned long long)outbox_bytes(u->agent->outbox));
	u->full_told = full;
	return !full;
}

void uplink_kick(struct uplink *u)
{
	if (!u)
		return;
	if (may_send(u, &u->errands[POLL]) && !u->batch && u->agent->has_keyset && has_room(u)) {
		u->polled_after = journal_high_seq(u->agent->store);
		u->polled_wait_s = pace_wait_s(&u->pace, &u->agent->conf, randombytes_random());
		send_errand(&u->errands[POLL],
			&(struct frame){ .type = FRAME_COURIER_POLL,
				.a = u->polled_after,
				.b = u->polled_wait_s,
				.c = u->polled_limit },
			NULL, 0, u->polled_wait_s + NODECALL_POLL_MARGIN_S);
	}
	if (may_send(u, &u->errands[DELIVER])) {
		size_t size = 0;
		_cleanup_(freep) char *envelope = outbox_envelope(
			u->agent->outbox, u->agent->conf.node.node_id, u->agent->report_key, &size);

		if (envelope)
			send_errand(&u->errands[DELIVER],
				&(struct frame){ .type = FRAME_COURIER_DELIVER }, envelope, size,
				NODECALL_DELIVER_S);
	}
	if (u->stats && may_send(u, &u->errands[STATS])) {
		_cleanup_(freep) char *text = TAKE(u->stats);

		send_errand(&u->errands[STATS], &(struct frame){ .type = FRAME_COURIER_STATS },
			text, strlen(text), NODECALL_DELIVER_S);
	}
}

bool uplink_offer_stats(struct uplink *u, json_t *stats)
{
	if (!u || u->takes_no_stats)
		return false;
	u->n_dropped += u->stats != NULL;
	jsonx_set_int(stats, "dropped", u->n_dropped);
	free(u->stats);
	u->stats = jsonx_dump(stats);
	return true;
}

int64_t uplink_stats_interval_s(const struct uplink *u)
{
	const struct conf *c;

	if (!u)
		return 0;
	c = &u->agent->conf;
	/* The first are soon, so that the API knows the node, and the node what the API takes. */
	return !u->stats_known || u->takes_no_stats
		       ? c->control.stats_interval_s
		       : pace_stats_s(&u->pace, c, journal_trusted_now_ms(u->agent->store));
}

void uplink_keys_changed(struct uplink *u)
{
	_cleanup_(freep) char *keys = NULL;

	if (!u || !leaf_channel(u->leaf) || !u->agent->has_keyset)
		return;
	keys = keyset_format(&u->agent->keyset);
	if (channel_send(leaf_channel(u->leaf), &(struct frame){ .type = FRAME_COURIER_KEYS }, keys,
		    strlen(keys), -1) < 0)
		leaf_kill(u->leaf); /* a new one gets the new keys */
}

void uplink_retry(struct uplink *u)
{
	for (size_t i = 0; u && i < ERRANDS; i++)
		errand_hurry(&u->errands[i]);
}

json_t *uplink_clock(const struct uplink *u)
{
	return apiclock_json(u ? &u->clock : &(struct apiclock){});
}

void uplink_renew(struct uplink *u)
{
	struct err err = {};
	int r = u ? couriersetup_has_changed(u->agent, &u->told, &err) : 0;

	if (r < 0)
		LOG(LOG_ERR, CONFIG_REFUSED, FIELDS(.err = &err),
			"the courier goes on with what it has: %s", err.message);
	if (r > 0)
		leaf_renew(u->leaf);
	uplink_retry(u);
}

json_t *uplink_status(const struct uplink *u)
{
	json_t *v = json_object();
	char buffer[APICLOCK_WORDS_MAX];
	const struct heard *last;

	if (!u) {
		jsonx_set_string(v, "state", "standalone");
		return v;
	}
	last = &u->heard[u->last_failed];
	if (last->fail == FRAME_FAIL_NONE)
		last = &u->heard[u->last_failed == POLL ? DELIVER : POLL];
	jsonx_set_string(v, "url", u->agent->conf.control.api_url);
	jsonx_set_string(v, "state", u->connected && serves(u) ? "connected" : "backing-off");
	if (u->untold.message[0]) {
		jsonx_set_string(v, "last_error", u->untold.message);
		jsonx_set_string(v, "last_error_code", "courier");
	} else if (last->fail != FRAME_FAIL_NONE) {
		jsonx_set_string(v, "last_error", words_of(u, last->fail, buffer));
		jsonx_set_string(v, "last_error_code", fails[last->fail].code);
		if (last->status)
			jsonx_set_int(v, "last_http_status", (int64_t)last->status);
	}
	jsonx_set(v, "clock", apiclock_json(&u->clock));
	jsonx_set_int(v, "after", journal_high_seq(u->agent->store));
	jsonx_set_int(v, "head_seq", u->head_seq);
	return v;
}
