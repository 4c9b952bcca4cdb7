/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Report batches: what the receiver reads is what was put in, signed by the node, chained. */
#include <time.h>

#include "proto/dsse.h"
#include "proto/encoding.h"
#include "proto/report.h"
#include "tests/unit/vector.h"

#define NODE "00112233445566778899aabb"
#define BOOT "0123456789abcdef0123456789abcdef"

static char *build(const struct report_key *key, const struct report_item *items, size_t n,
	uint8_t digest[static 32])
{
	static const uint8_t prev[32] = { 0xab };
	const struct report_batch b = { NODE, BOOT, 1795410000000, prev, items, n };
	size_t size;
	char *json = report_batch_build(&b, key, &size, digest);

	TAP_EQ(size, strlen(json), "size of %zu reports", n);
	return json;
}

static void test_batch(const struct report_key *key)
{
	static const struct report_item items[] = {
		{ 7, "{\"type\":\"order\",\"state\":\"running\"}" },
		{ 9007199254740991, "{\"type\":\"env\",\"note\":\"pr\xc3\xaat \\u0041\"}" },
	};
	uint8_t digest[32], want[32];
	_cleanup_(freep) char *json = build(key, items, 2, digest);
	_cleanup_dsse_ struct dsse e = { 0 };
	_cleanup_json_ json_t *v = NULL;
	const json_t *reports;

	TAP_EQ(dsse_parse(json, strlen(json), DSSE_REPORT_TYPE, &e, NULL), 0, "an envelope");
	TAP_STREQ(e.signatures[0].keyid, key->keyid, "names the key");
	TAP_OK(dsse_is_signed_by(&e, key->public_key), "verifies");
	(void)crypto_hash_sha256(want, e.payload, e.payload_size);
	TAP_OK(memcmp(want, digest, 32) == 0, "the digest is the payload's");
	v = json_loadb((char *)e.payload, e.payload_size, JSON_REJECT_DUPLICATES, NULL);
	TAP_EQ(json_integer_value(json_object_get(v, "v")), 1, "v");
	TAP_STREQ(json_string_value(json_object_get(v, "node_id")), NODE, "node_id");
	TAP_STREQ(json_string_value(json_object_get(v, "boot_id")), BOOT, "boot_id");
	TAP_STREQ(json_string_value(json_object_get(v, "sent_at")), "2026-11-23T05:00:00.000Z",
		"sent_at");
	TAP_STREQ(json_string_value(json_object_get(v, "prev")),
		"ab00000000000000000000000000000000000000000000000000000000000000", "prev");
	reports = json_object_get(v, "reports");
	TAP_EQ(json_array_size(reports), 2, "two reports");
	TAP_EQ(json_integer_value(json_object_get(json_array_get(reports, 1), "seq")),
		9007199254740991, "the highest seq");
	TAP_STREQ(json_string_value(json_object_get(json_array_get(reports, 1), "note")),
		"pr\xc3\xaat A", "the body is as it was");
}

static void test_empty(const struct report_key *key)
{
	uint8_t digest[32];
	_cleanup_(freep) char *json = build(key, NULL, 0, digest);
	_cleanup_dsse_ struct dsse e = { 0 };

	TAP_EQ(dsse_parse(json, strlen(json), DSSE_REPORT_TYPE, &e, NULL), 0, "an empty batch");
	TAP_OK(strstr((char *)e.payload, "\"reports\":[]}"), "has no reports");
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_full(const struct report_key *key)
{
	static struct report_item items[REPORT_BATCH_MAX];
	uint8_t digest[32];
	double start = now_s();

	for (size_t i = 0; i < countof(items); i++)
		items[i] = (struct report_item){ i + 1,
			"{\"type\":\"order\",\"order_id\":\"" NODE
			"\",\"state\":\"succeeded\",\"duration_ms\":12}" };
	for (int i = 0; i < 20; i++)
		free(build(key, items, countof(items), digest));
	TAP_NOTE("%.0f reports/s", 20 * REPORT_BATCH_MAX / (now_s() - start));
}

int main(void)
{
	struct vector_key k = vector_key(9);
	struct report_key key;
	uint8_t digest[32];
	char hex[65];

	report_key_init(&key, k.secret_key);
	(void)crypto_hash_sha256(digest, k.public_key, 32);
	encoding_hex(digest, 32, hex);
	TAP_OK(strlen(key.keyid) == 16 && strncmp(hex, key.keyid, 16) == 0, "keyid");
	TAP_OK(memcmp(key.public_key, k.public_key, 32) == 0, "the public half");
	test_batch(&key);
	test_empty(&key);
	test_full(&key);
	return tap_done();
}
