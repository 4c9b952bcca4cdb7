/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports are rows. Of the batch that is on its way no copy is kept, only its last seq, its time
 * and its boot id: its bytes are made anew from the rows each time, and are the same each time,
 * since rows are added behind it alone and go when all of it is acknowledged. The digest of its
 * payload is then the next one's `prev`. What may be lost waits in a ring, in memory, and gets its
 * rows when a batch is fixed. */
#include "agent/state/outbox.h"

#include "proto/ident.h"

#define BYTES "length(CAST(body AS BLOB))" /* of a text it would be its characters */

#define META_PREV  "batch_prev"  /* 32 bytes: digest of the last acknowledged batch's payload */
#define META_FIXED "batch_fixed" /* struct fixed: the batch that is on its way */

/* Room that is kept free so that an order that was taken in can still report its end. */
#define RESERVE_BYTES (4 * 1024 * 1024)

/* What may be lost: an hour's of a small node. */
#define OFFERS_MAX      360
#define OFFER_BYTES_MAX (4UL * 1024 * 1024)

/* As it lies in the database; read by the program that wrote it, or a later one: grow it at its end
 * only. */
struct fixed {
	uint64_t last_seq;
	int64_t sent_ms;
	char boot_id[33];
};

struct outbox {
	struct store *store;
	uint64_t max_bytes; /* 0: no control API, nothing is kept */
	uint64_t reports, bytes, high_seq;
	struct fixed fixed; /* last_seq 0: none */
	uint8_t fixed_digest[32];
	bool has_digest; /* fixed_digest was computed in this process */
	uint8_t prev[32];
	char *offers[OFFERS_MAX]; /* a ring of n_offers from first_offer on */
	size_t first_offer, n_offers, offer_bytes;
	uint64_t dropped, dropped_told;
};

static int load_meta(struct store *s, const char *key, void *ret, size_t size)
{
	_cleanup_(freep) char *value = NULL;
	size_t n = 0;
	int r = store_meta_get(s, key, &value, &n);

	if (r >= 0 && value && n == size)
		memcpy(ret, value, size);
	return r;
}

int outbox_open(
	struct store *s, uint64_t max_bytes, int64_t now_ms, struct outbox **ret, struct err *err)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	int64_t used;
	int r = load_meta(s, META_PREV, o->prev, sizeof(o->prev));

	if (r >= 0)
		r = load_meta(s, META_FIXED, &o->fixed, sizeof(o->fixed));
	if (r < 0) {
		free(o);
		return err_set(
			err, r, ERR_STATE_CORRUPT, NULL, "can't read the outbox: %s", strerror(-r));
	}
	o->store = s;
	o->max_bytes = max_bytes;
	o->reports = (uint64_t)store_scalar(s, "SELECT count(*) FROM outbox", 0);
	o->bytes = (uint64_t)store_scalar(s, "SELECT sum(" BYTES ") FROM outbox", 0);
	used = store_scalar(s, "SELECT seq FROM sqlite_sequence WHERE name='outbox'", 0);
	o->high_seq = (uint64_t)MAX_OF(used, now_ms);
	*ret = o;
	return 0;
}

struct outbox *outbox_close(struct outbox *o)
{
	if (o)
		for (size_t i = 0; i < OFFERS_MAX; i++)
			free(o->offers[i]);
	free(o);
	return NULL;
}

/* --- what may be lost --- */

static char *take_offer(struct outbox *o)
{
	char *body = TAKE(o->offers[o->first_offer]);

	o->first_offer = (o->first_offer + 1) % OFFERS_MAX;
	o->n_offers--;
	o->offer_bytes -= strlen(body);
	return body;
}

void outbox_offer(struct outbox *o, char *body_takes)
{
	if (o->max_bytes == 0) {
		free(body_takes);
		return;
	}
	while (o->n_offers > 0 && (o->n_offers == OFFERS_MAX ||
					  o->offer_bytes + strlen(body_takes) > OFFER_BYTES_MAX)) {
		free(take_offer(o));
		o->dropped++;
	}
	o->offers[(o->first_offer + o->n_offers++) % OFFERS_MAX] = body_takes;
	o->offer_bytes += strlen(body_takes);
}

uint64_t outbox_dropped(const struct outbox *o)
{
	return o->dropped;
}

/* They get their places behind what is durable. */
static void add_offers(struct outbox *o)
{
	while (o->n_offers > 0) {
		_cleanup_(freep) char *body = take_offer(o);
		_cleanup_(freep) char *full = xasprintf("{\"dropped\":%llu,%s",
			(unsigned long long)(o->dropped - o->dropped_told), body + 1);

		o->dropped_told = o->dropped;
		outbox_add(o, full);
	}
}

void outbox_add(struct outbox *o, const char *body)
{
	assert(body[0] == '{');
	if (o->max_bytes == 0)
		return;
	store_must(store_exec(o->store, "INSERT INTO outbox(seq, body) VALUES(?1, ?2)", "it",
		(int64_t)++o->high_seq, body));
	o->reports++;
	o->bytes += strlen(body);
}

void outbox_resize(struct outbox *o, uint64_t max_bytes)
{
	if (o->max_bytes > 0)
		o->max_bytes = max_bytes;
}

bool outbox_is_full(const struct outbox *o)
{
	return o->max_bytes > 0 &&
	       o->bytes + MIN_OF(RESERVE_BYTES, o->max_bytes / 2) > o->max_bytes;
}

uint64_t outbox_reports(const struct outbox *o)
{
	return o->reports;
}

uint64_t outbox_bytes(const struct outbox *o)
{
	return o->bytes;
}

bool outbox_stage(struct outbox *o, int64_t now_ms, const char *boot_id)
{
	_cleanup_stmt_ struct store_stmt *q = NULL;
	size_t bytes = 0;
	int r;

	if (o->fixed.last_seq)
		return true;
	add_offers(o);
	if (o->reports == 0)
		return false;
	o->fixed = (struct fixed){ .sent_ms = now_ms };
	o->has_digest = false;
	(void)snprintf(o->fixed.boot_id, sizeof(o->fixed.boot_id), "%s", boot_id);
	q = store_query(o->store, "SELECT seq, " BYTES " FROM outbox ORDER BY seq LIMIT ?1", "i",
		(int64_t)REPORT_BATCH_MAX);
	while ((r = store_step(q)) > 0) {
		bytes += (size_t)store_int(q, 1);
		if (o->fixed.last_seq && bytes > REPORT_BATCH_MAX_BYTES)
			break;
		o->fixed.last_seq = (uint64_t)store_int(q, 0);
	}
	store_must(r);
	store_reset(TAKE(q));
	store_must(store_meta_set(o->store, META_FIXED, &o->fixed, sizeof(o->fixed)));
	return true;
}

char *outbox_envelope(
	struct outbox *o, const char *node_id, const struct report_key *key, size_t *ret_size)
{
	struct report_item items[REPORT_BATCH_MAX];
	_cleanup_stmt_ struct store_stmt *q = NULL;
	struct report_batch batch = {
		.node_id = node_id,
		.boot_id = o->fixed.boot_id,
		.sent_ms = o->fixed.sent_ms,
		.prev = o->prev,
		.items = items,
	};
	char *envelope;
	int r;

	if (!o->fixed.last_seq)
		return NULL;
	q = store_query(o->store, "SELECT seq, body FROM outbox WHERE seq <= ?1 ORDER BY seq", "i",
		(int64_t)o->fixed.last_seq);
	while ((r = store_step(q)) > 0) {
		assert(batch.n_items < countof(items));
		items[batch.n_items].body = xstrdup(store_text(q, 1));
		items[batch.n_items++].seq = (uint64_t)store_int(q, 0);
	}
	store_must(r);
	envelope = report_batch_build(&batch, key, ret_size, o->fixed_digest);
	o->has_digest = true;
	for (size_t i = 0; i < batch.n_items; i++)
		free((char *)items[i].body);
	return envelope;
}

static void forget_fixed(struct outbox *o)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(o->store,
		"SELECT count(*), coalesce(sum(" BYTES "), 0) FROM outbox WHERE seq <= ?1", "i",
		(int64_t)o->fixed.last_seq);

	store_must(store_step(q));
	o->reports -= (uint64_t)store_int(q, 0);
	o->bytes -= (uint64_t)store_int(q, 1);
	store_reset(TAKE(q));
	store_must(store_exec(
		o->store, "DELETE FROM outbox WHERE seq <= ?1", "i", (int64_t)o->fixed.last_seq));
	o->fixed = (struct fixed){};
}

static void keep_chain(struct outbox *o)
{
	store_must(store_meta_set(o->store, META_PREV, o->prev, sizeof(o->prev)));
	store_must(store_meta_set(o->store, META_FIXED, &o->fixed, sizeof(o->fixed)));
}

void outbox_restart_chain(struct outbox *o)
{
	memset(o->prev, 0, sizeof(o->prev));
	o->fixed = (struct fixed){};
	keep_chain(o);
}

int outbox_acked(struct outbox *o, uint64_t seq)
{
	if (seq > o->high_seq || !o->fixed.last_seq || !o->has_digest)
		return -EBADMSG;
	if (seq < o->fixed.last_seq)
		return 0; /* not the whole batch: it is sent again as it is */
	forget_fixed(o);
	memcpy(o->prev, o->fixed_digest, sizeof(o->prev));
	keep_chain(o);
	return 1;
}
