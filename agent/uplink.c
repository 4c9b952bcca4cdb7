/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink.h"

#include <sodium.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/apiclock.h"
#include "agent/backoff.h"
#include "agent/cafile.h"
#include "agent/engine.h"
#include "agent/intake.h"
#include "agent/journald.h"
#include "agent/leaf.h"
#include "agent/reaper.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/nodecall.h"
#include "proto/orderpack.h"
#include "proto/respsig.h"

#define ACCURACY_US (100 * 1000)
#define OVERDUE_S   10          /* a courier is late by so much */
#define HASTE_MS    900         /* nothing, sooner than any wait that can be asked for */
#define SLICE_US    (10 * 1000) /* of envelopes in one turn: others want theirs */

/* Channel states: SETUP until READY, then a bit each for what is out. */
enum { SETUP = 0, IDLE = 1, POLLING = 2, DELIVERING = 3, BOTH = 4, STATES = 5 };
#define S(state) (1u << (state))

struct errand {
	struct uplink *uplink;
	bool out;    /* a frame is with the courier */
	uint64_t id; /* of that frame */
	uint64_t sent_us;
	struct backoff backoff;
	sd_event_source *timer; /* out: until the answer is overdue; waiting: not before it fires */
	bool waiting;
};

/* What a poll has brought, until all of it is judged: a slice in each turn, since a courier that was taken
 * over could fill a frame with what takes half a second to refuse. */
struct batch {
	uint8_t *bytes; /* or NULL */
	struct span {
		const void *at;
		size_t size;
	} envelope[ORDERPACK_KEYSETS_MAX + ORDERPACK_MAX];
	size_t n, n_keysets, judged;
	uint64_t head_seq;
	bool rotated;
	struct intake intake;
	sd_event_source *next;
};

struct uplink {
	struct agent *agent;
	struct leaf *leaf;
	struct errand poll, deliver;
	struct batch batch;
	uint64_t next_id;
	uint64_t polled_after;  /* the poll that is out asked for orders after this, */
	uint64_t polled_wait_s; /* and to wait so long */
	uint64_t head_seq;
	bool withheld_told, full_told;
	enum frame_fail last_fail;
	uint64_t last_status;
	bool connected;
	struct apiclock clock;
	struct nodecall_pace
		pace; /* the API's last word; what it left out is the configuration's */
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
	static const unsigned states[2][2] = { { IDLE, DELIVERING }, { POLLING, BOTH } };

	if (leaf_channel(u->leaf))
		channel_set_state(leaf_channel(u->leaf), states[u->poll.out][u->deliver.out]);
}

/* --- waiting --- */

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* can't fail */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What waited is sent in the turn that follows. A courier that never answers is replaced. */
static int on_errand_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct errand *e = userdata;

	e->waiting = false; /* the turn that follows sends it */
	if (e->out)
		leaf_overdue(e->uplink->leaf);
	return 0;
}

static void arm(struct errand *e, uint64_t ms)
{
	e->timer = sd_event_source_disable_unref(e->timer);
	if (sd_event_add_time_relative(e->uplink->agent->event, &e->timer, CLOCK_BOOTTIME,
		    ms * 1000, ACCURACY_US, on_errand_timer, e) < 0)
		abort(); /* only for want of memory */
}

static void end_errand(struct errand *e)
{
	e->out = false;
	if (!e->waiting)
		e->timer = sd_event_source_disable_unref(e->timer);
}

static uint64_t spread_ms(const struct uplink *u)
{
	int64_t s = u->pace.said && u->pace.spread_s >= 0
			    ? u->pace.spread_s
			    : u->agent->conf.control.reconnect_spread_s;

	return (uint64_t)s * 1000;
}

static uint64_t draw_wait_s(const struct uplink *u)
{
	int64_t s = u->pace.said && u->pace.poll_wait_s >= 0 ? u->pace.poll_wait_s
							     : u->agent->conf.control.poll_wait_s;

	return backoff_draw_wait_s((uint64_t)s, randombytes_random());
}

static void errand_failed(struct errand *e, uint64_t retry_after_ms)
{
	end_errand(e);
	e->waiting = true;
	arm(e, backoff_failed(
		       &e->backoff, spread_ms(e->uplink), retry_after_ms, randombytes_random()));
}

static void errand_succeeded(struct errand *e)
{
	end_errand(e);
	backoff_succeeded(&e->backoff);
}

static const char *words_of(
	const struct uplink *u, enum frame_fail fail, char buffer[static APICLOCK_WORDS_MAX])
{
	if (fail != FRAME_FAIL_CLOCK || !u->clock.signed_ms)
		return fails[fail].words;
	apiclock_words(&u->clock, buffer);
	return buffer;
}

/* One line when something changes, none while it stays as it is. */
static void note(struct uplink *u, enum frame_fail fail, uint64_t status)
{
	char buffer[APICLOCK_WORDS_MAX];

	if (fail == FRAME_FAIL_NONE) {
		if (!u->connected)
			LOG(LOG_NOTICE, CONTROL_CONNECTED, NO_FIELDS,
				"the control API at %s answers", u->agent->conf.control.api_url);
		u->connected = true;
	} else if (u->last_fail != fail || u->last_status != status) {
		LOG(LOG_WARNING, CONTROL_FAILED, NO_FIELDS,
			"the control API at %s: %s (status %llu)", u->agent->conf.control.api_url,
			words_of(u, fail, buffer), (unsigned long long)status);
		u->connected = false;
	}
	u->last_fail = fail;
	u->last_status = status;
}

/* --- what the courier says --- */

static void add_envelope(const void *envelope, size_t size, void *userdata)
{
	struct batch *b = userdata;

	b->envelope[b->n++] = (struct span){ envelope, size };
}

/* What came of a poll. */
struct poll_end {
	uint64_t head_seq, n_orders, gap_before;
	bool hasty, rotated;
};

/* Nothing came though the API has issued more than we have, or an order that names one before it which did
 * not: somebody on the way keeps orders from us. Said once. */
static void look_for_withheld(struct uplink *u, const struct poll_end *end)
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

static void finish_poll(struct uplink *u, const struct poll_end *end)
{
	bool new = end->rotated || journal_high_seq(u->agent->store) > u->polled_after;

	u->head_seq = end->head_seq;
	look_for_withheld(u, end);
	note(u, FRAME_FAIL_NONE, 0);
	/* Nothing that we had not, or nothing at all and that too soon: must not make us spin. */
	if (u->withheld_told || (!new && (end->hasty || end->n_orders > 0)))
		errand_failed(&u->poll, 0);
	else
		errand_succeeded(&u->poll);
	update_state(u);
}

static void drop_batch(struct batch *b)
{
	b->next = sd_event_source_disable_unref(b->next);
	free(b->bytes);
	*b = (struct batch){};
}

static void judge(struct uplink *u, const struct span *envelope, bool is_keyset)
{
	struct batch *b = &u->batch;

	if (!is_keyset) {
		(void)intake_envelope(u->agent, &b->intake, envelope->at, envelope->size);
	} else if (intake_keyset(u->agent, envelope->at, envelope->size)) {
		b->rotated = true;
		uplink_keys_changed(u);
	}
}

static int on_slice(sd_event_source *s, void *userdata)
{
	struct uplink *u = userdata;
	struct batch *b = &u->batch;
	uint64_t end_us = now_us() + SLICE_US;
	struct poll_end end;

	for (; b->judged < b->n && now_us() < end_us; b->judged++)
		judge(u, &b->envelope[b->judged], b->judged < b->n_keysets);
	if (b->judged < b->n)
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	end = (struct poll_end){ .head_seq = b->head_seq,
		.n_orders = b->n - b->n_keysets,
		.gap_before = b->intake.gap_before,
		.rotated = b->rotated };
	drop_batch(b);
	finish_poll(u, &end);
	return 0;
}

static int begin_batch(struct uplink *u, struct nodecall_orders *got)
{
	struct batch *b = &u->batch;
	int r;

	b->bytes = TAKE(got->pack.data);
	b->head_seq = got->head_seq;
	b->n_keysets = got->n_keysets;
	r = orderpack_each(
		b->bytes, got->pack.size, got->n_keysets + got->n_orders, add_envelope, b);
	if (r >= 0)
		r = sd_event_add_defer(u->agent->event, &b->next, on_slice, u);
	if (r < 0)
		drop_batch(b);
	return r;
}

static int polled(struct uplink *u, struct nodecall_orders *got)
{
	if (got->n_keysets + got->n_orders > 0) {
		end_errand(&u->poll);
		update_state(u);
		return begin_batch(u, got);
	}
	finish_poll(u, &(struct poll_end){ .head_seq = got->head_seq,
			       .hasty = now_us() - u->poll.sent_us < HASTE_MS * 1000 });
	return 0;
}

static bool must_be_signed(const struct uplink *u)
{
	return u->agent->conf.control.response_signature == CONF_SIGNATURE_REQUIRED;
}

/* The one that is out under this id, or NULL. */
static struct errand *errand_of(struct uplink *u, uint64_t id)
{
	if (u->poll.out && u->poll.id == id)
		return &u->poll;
	return u->deliver.out && u->deliver.id == id ? &u->deliver : NULL;
}

static void fail(struct uplink *u, struct errand *e, enum frame_fail why, uint64_t status,
	uint64_t retry_after_ms)
{
	note(u, why, status);
	if (why == FRAME_FAIL_SIGNATURE || why == FRAME_FAIL_CLOCK)
		reaper_time_doubted(u->agent->reaper);
	errand_failed(e, retry_after_ms);
	update_state(u);
}

static int on_orders(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);
	_cleanup_nodecall_orders_ struct nodecall_orders got = {
		.head_seq = m->frame.a, .n_orders = m->frame.b, .n_keysets = m->frame.c
	};

	if (must_be_signed(u) || m->frame.id != u->poll.id || got.n_orders > ORDERPACK_MAX ||
		got.n_keysets > ORDERPACK_KEYSETS_MAX || got.head_seq > IDENT_SEQ_MAX ||
		(got.n_orders + got.n_keysets > 0) != (m->size > 0))
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
		errand_succeeded(&u->deliver);
	else
		errand_failed(&u->deliver, 0); /* the same again, but not at once */
	note(u, FRAME_FAIL_NONE, 0);
	update_state(u);
}

static int on_acked(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);

	if (must_be_signed(u) || m->frame.id != u->deliver.id)
		return -EBADMSG;
	delivered(u, m->frame.a);
	return 0;
}

/* Of this very request, by a key that we trust. */
static enum frame_fail judge_signature(struct uplink *u, const struct errand *e, const char *header,
	const uint8_t *body, size_t size)
{
	const struct agent *a = u->agent;
	const char *node_id = a->conf.node.node_id;
	_cleanup_(freep) char *call = e == &u->poll ? nodecall_orders_path(node_id, u->polled_after,
							      u->polled_wait_s, ORDERPACK_MAX)
						    : nodecall_reports_path(node_id);
	_cleanup_(freep) char *path =
		xasprintf("%s%s", nodecall_base_path(a->conf.control.api_url), call);
	const struct respsig_response r = { .method = e == &u->poll ? "GET" : "POST",
		.status = 200,
		.path = path,
		.body = body,
		.body_size = size };
	const int64_t now_ms = agent_now_ms();
	int64_t signed_ms;
	struct err err;
	int v = a->has_keyset ? respsig_verify(header, &r, &a->keyset, now_ms, &signed_ms, &err)
			      : -ENOKEY;

	if (v < 0 && v != -ESTALE)
		return FRAME_FAIL_SIGNATURE;
	apiclock_heard(&u->clock, signed_ms, now_ms, (int64_t)(now_us() - e->sent_us) / 1000);
	if (v < 0)
		return FRAME_FAIL_CLOCK;
	reaper_time_confirmed(a->reaper, now_ms);
	return FRAME_FAIL_NONE;
}

static void keep_pace(struct uplink *u, const struct nodecall_pace *pace)
{
	if (pace->said)
		u->pace = *pace;
}

/* What is signed is read here, and only after that: a courier's own numbers could hide an order that it leaves
 * out, or have reports forgotten that never arrived. */
static int on_signed(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct uplink *u = leaf_owner(userdata);
	struct errand *e = errand_of(u, m->frame.id);
	const uint64_t n = m->frame.a;
	const uint8_t *body = (const uint8_t *)m->payload + n;
	_cleanup_(freep) char *header = NULL;
	_cleanup_nodecall_orders_ struct nodecall_orders got = {};
	struct nodecall_pace pace = {};
	uint64_t acked_seq = 0;
	enum frame_fail why;
	size_t size;

	if (!e || n == 0 || n > NODECALL_SIGNATURE_MAX || n > m->size ||
		m->size - n > NODECALL_BODY_MAX)
		return -EBADMSG;
	size = m->size - n;
	header = xcalloc(1, n + 1);
	memcpy(header, m->payload, n);
	why = judge_signature(u, e, header, body, size);
	if (why != FRAME_FAIL_NONE)
		fail(u, e, why, 200, 0);
	else if ((e == &u->poll ? nodecall_read_orders(body, size, &got)
				: nodecall_read_acked(body, size, &acked_seq, &pace)) < 0)
		fail(u, e, FRAME_FAIL_BODY, 200, 0);
	else if (e == &u->poll) {
		keep_pace(u, &got.pace);
		return polled(u, &got);
	} else {
		keep_pace(u, &pace);
		delivered(u, acked_seq);
	}
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
	{ FRAME_COURIER_READY, S(SETUP), .handler = on_ready },
	{ FRAME_COURIER_ORDERS, S(POLLING) | S(BOTH), .payload = true, .payload_optional = true,
		.handler = on_orders },
	{ FRAME_COURIER_ACKED, S(DELIVERING) | S(BOTH), .handler = on_acked },
	{ FRAME_COURIER_SIGNED, S(POLLING) | S(DELIVERING) | S(BOTH), .payload = true,
		.handler = on_signed },
	{ FRAME_COURIER_FAILED, S(POLLING) | S(DELIVERING) | S(BOTH), .handler = on_failed },
};

/* --- its life --- */

static void on_down(void *userdata)
{
	struct uplink *u = userdata;

	drop_batch(
		&u->batch); /* its end is no word about the courier that comes next; it is asked again */
	end_errand(&u->poll);
	end_errand(&u->deliver);
}

/* Everything the courier needs to know, read while root; it sees no file. */
static int send_setup(struct channel *ch, void *userdata, struct err *err)
{
	struct uplink *u = userdata;
	struct agent *a = u->agent;
	_cleanup_(nodekey_token_freep) char *token = NULL;
	_cleanup_(freep) char *keys = a->has_keyset ? keyset_format(&a->keyset) : NULL;
	_cleanup_json_ json_t *setup = NULL;
	_cleanup_(freep) char *ca = NULL;
	char *text;
	int r = nodekey_token_read(a->conf.control.token_file, &token, err);

	if (r < 0)
		return r;
	setup = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "api_url", a->conf.control.api_url,
		"node_id", a->conf.node.node_id, "node_token", token, "user_agent",
		"hoody-agent/" PACKAGE_VERSION, "response_signature",
		a->conf.control.response_signature == CONF_SIGNATURE_REQUIRED ? "required"
									      : "optional",
		"hostname", a->conf.node.name);
	if (!setup)
		return err_set(
			err, -EINVAL, ERR_CONFIG, "Control", "the configuration is not UTF-8");
	r = cafile_read(a->conf.control.ca_file, "Control.CaFile", &ca, err);
	if (r < 0)
		return r;
	(void)json_object_set_new(setup, "ca_pem", ca ? json_string(ca) : json_null());
	(void)json_object_set_new(setup, "keyset", keys ? json_loads(keys, 0, NULL) : json_null());
	text = jsonx_dump(setup);
	r = channel_send(
		ch, &(struct frame){ .type = FRAME_COURIER_SETUP }, text, strlen(text), -1);
	sodium_memzero(text, strlen(text));
	free(text);
	return r;
}

static const struct leaf_kind courier = {
	.name = "hoody-courier",
	.what = "the courier",
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
	u->poll.uplink = u->deliver.uplink = u;
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
	drop_batch(&u->batch);
	u->poll.timer = sd_event_source_disable_unref(u->poll.timer);
	u->deliver.timer = sd_event_source_disable_unref(u->deliver.timer);
	free(u);
	return NULL;
}

/* --- what it is told --- */

void uplink_stage(struct uplink *u)
{
	if (u && !u->deliver.out && !u->deliver.waiting)
		(void)outbox_stage(u->agent->outbox, agent_now_ms(), u->agent->boot_id);
}

static bool may_send(const struct uplink *u, const struct errand *e)
{
	const struct channel *ch = leaf_channel(u->leaf);

	return ch && channel_state(ch) != SETUP && !e->out && !e->waiting;
}

static void send_errand(
	struct errand *e, struct frame *f, const char *payload, size_t size, uint64_t within_s)
{
	struct uplink *u = e->uplink;

	f->id = e->id = ++u->next_id;
	e->sent_us = now_us();
	if (channel_send(leaf_channel(u->leaf), f, payload, size, -1) < 0) {
		errand_failed(e, 0);
	} else {
		e->out = true;
		arm(e, (within_s + OVERDUE_S) * 1000);
	}
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
	if (may_send(u, &u->poll) && !u->batch.bytes && u->agent->has_keyset && has_room(u)) {
		u->polled_after = journal_high_seq(u->agent->store);
		u->polled_wait_s = draw_wait_s(u);
		send_errand(&u->poll,
			&(struct frame){ .type = FRAME_COURIER_POLL,
				.a = u->polled_after,
				.b = u->polled_wait_s,
				.c = ORDERPACK_MAX },
			NULL, 0, u->polled_wait_s + UPLINK_POLL_MARGIN_S);
	}
	if (may_send(u, &u->deliver)) {
		size_t size = 0;
		_cleanup_(freep) char *envelope = outbox_envelope(
			u->agent->outbox, u->agent->conf.node.node_id, u->agent->report_key, &size);

		if (envelope)
			send_errand(&u->deliver, &(struct frame){ .type = FRAME_COURIER_DELIVER },
				envelope, size, UPLINK_DELIVER_S);
	}
}

void uplink_keys_changed(struct uplink *u)
{
	_cleanup_(freep) char *keys = NULL;

	if (!u || !leaf_channel(u->leaf))
		return;
	keys = keyset_format(&u->agent->keyset);
	if (channel_send(leaf_channel(u->leaf), &(struct frame){ .type = FRAME_COURIER_KEYS }, keys,
		    strlen(keys), -1) < 0)
		leaf_kill(u->leaf); /* a new one gets the new keys */
}

void uplink_retry(struct uplink *u)
{
	struct errand *const errands[] = { u ? &u->poll : NULL, u ? &u->deliver : NULL };

	for (size_t i = 0; i < countof(errands); i++)
		if (errands[i] && errands[i]->waiting) {
			errands[i]->waiting = false;
			errands[i]->timer = sd_event_source_disable_unref(errands[i]->timer);
		}
}

json_t *uplink_clock(const struct uplink *u)
{
	return apiclock_json(u ? &u->clock : &(struct apiclock){});
}

json_t *uplink_status(const struct uplink *u)
{
	json_t *v = json_object();
	char buffer[APICLOCK_WORDS_MAX];

	if (!u) {
		(void)json_object_set_new(v, "state", json_string("standalone"));
		return v;
	}
	(void)json_object_set_new(v, "url", json_string(u->agent->conf.control.api_url));
	(void)json_object_set_new(
		v, "state", json_string(u->connected ? "connected" : "backing-off"));
	if (u->last_fail != FRAME_FAIL_NONE) {
		(void)json_object_set_new(
			v, "last_error", json_string(words_of(u, u->last_fail, buffer)));
		(void)json_object_set_new(
			v, "last_error_code", json_string(fails[u->last_fail].code));
	}
	(void)json_object_set_new(v, "clock", apiclock_json(&u->clock));
	(void)json_object_set_new(
		v, "after", json_integer((json_int_t)journal_high_seq(u->agent->store)));
	(void)json_object_set_new(v, "head_seq", json_integer((json_int_t)u->head_seq));
	return v;
}
