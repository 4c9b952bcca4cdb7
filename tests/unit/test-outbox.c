/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports that may be lost: the newest are kept, the oldest dropped and counted, within bounds, and
 * behind what may not be lost. */
#include <sodium.h>

#include "agent/state/outbox.h"
#include "proto/jsonx.h"
#include "tests/unit/tap.h"

static struct store *store;

static struct outbox *open_outbox(uint64_t max_bytes)
{
	struct outbox *o = NULL;
	struct err err = {};

	if (outbox_open(store, max_bytes, 0, &o, &err) < 0)
		abort();
	return o;
}

static int64_t number_in(const char *sql)
{
	return store_scalar(store, sql, -1);
}

static void offer(struct outbox *o, int n)
{
	outbox_offer(o, xasprintf("{\"type\":\"node.stats\",\"n\":%d}", n));
}

static void newest_are_kept(void)
{
	struct outbox *o = open_outbox(1 << 20);

	for (int i = 0; i < 1000; i++)
		offer(o, i);
	TAP_OK(number_in("SELECT count(*) FROM outbox") == 0,
		"nothing is written while none can go");
	outbox_add(o, "{\"type\":\"order\"}");
	TAP_OK(outbox_stage(o, 1, "0123456789abcdef0123456789abcdef"), "a batch is fixed");
	TAP_OK(number_in("SELECT count(*) FROM outbox") == 361, "360 of 1000 were kept");
	TAP_OK(outbox_dropped(o) == 640, "640 were dropped");
	TAP_OK(number_in("SELECT body->>'$.type'='order' FROM outbox ORDER BY seq LIMIT 1") == 1,
		"what may not be lost goes first");
	TAP_OK(number_in("SELECT body->>'$.dropped' FROM outbox WHERE seq=2") == 640,
		"the first that is left tells how many are missing");
	TAP_OK(number_in("SELECT body->>'$.dropped' FROM outbox WHERE seq=3") == 0,
		"the others tell that none is");
	TAP_OK(number_in("SELECT body->>'$.n' FROM outbox WHERE seq=2") == 640 &&
			number_in("SELECT body->>'$.n' FROM outbox WHERE seq=361") == 999,
		"the newest, in order");
	for (int i = 0; i < 10; i++)
		offer(o, i);
	TAP_OK(outbox_stage(o, 2, "0123456789abcdef0123456789abcdef") &&
			number_in("SELECT count(*) FROM outbox") == 361,
		"while a batch is on its way they wait");
	(void)outbox_close(o);
}

/* A report of a megabyte, again and again: what is kept does not grow. */
static void bounded_by_bytes(void)
{
	_cleanup_(freep) char *fill = xcalloc(1 << 20, 1);
	struct outbox *o;

	memset(fill, 'x', (1 << 20) - 64);
	store_must(store_exec(store, "DELETE FROM outbox", ""));
	store_must(store_meta_set(store, "batch_fixed", "", 0));
	o = open_outbox(64 << 20);
	for (int i = 0; i < 20; i++)
		outbox_offer(o, xasprintf("{\"fill\":\"%s\"}", fill));
	TAP_OK(outbox_dropped(o) == 16, "%llu of 20 were dropped: 4 MiB are kept",
		(unsigned long long)outbox_dropped(o));
	(void)outbox_close(o);
}

/* Each is acknowledged, so that nothing is left; a successor counts as its predecessor did. */
static void counted_in_bytes(void)
{
	static const char body[] = "{\"type\":\"share\",\"label\":\"M\u00fcller \u20ac\"}";
	uint8_t public_key[32], secret_key[64];
	struct report_key key;
	struct outbox *o;
	uint64_t bytes;
	size_t size;

	(void)crypto_sign_keypair(public_key, secret_key);
	report_key_init(&key, secret_key);
	store_must(store_exec(store, "DELETE FROM outbox", ""));
	store_must(store_meta_set(store, "batch_fixed", "", 0));
	o = open_outbox(1 << 20);
	outbox_add(o, body);
	bytes = outbox_bytes(o);
	(void)outbox_close(o);
	o = open_outbox(1 << 20);
	TAP_OK(bytes == strlen(body) && outbox_bytes(o) == bytes, "%llu bytes wait, and %llu",
		(unsigned long long)bytes, (unsigned long long)outbox_bytes(o));
	outbox_add(o, body);
	(void)outbox_stage(o, 1, "0123456789abcdef0123456789abcdef");
	free(outbox_envelope(o, "0123456789abcdef01234567", &key, &size));
	TAP_OK(outbox_acked(o, (uint64_t)number_in("SELECT max(seq) FROM outbox")) == 1 &&
			outbox_bytes(o) == 0,
		"none when both are acknowledged");
	(void)outbox_close(o);
}

static void standalone(void)
{
	struct outbox *o = open_outbox(0);

	offer(o, 1);
	TAP_OK(!outbox_stage(o, 1, "0123456789abcdef0123456789abcdef") && outbox_dropped(o) == 0,
		"without a control API nothing is kept");
	(void)outbox_close(o);
}

int main(void)
{
	struct err err = {};

	if (sodium_init() < 0 || store_open(":memory:", &store, &err) < 0)
		return 1;
	newest_are_kept();
	bounded_by_bytes();
	counted_in_bytes();
	store_must(store_exec(store, "DELETE FROM outbox", ""));
	standalone();
	store_must(store_commit(store));
	store = store_close(store);
	return tap_done();
}
