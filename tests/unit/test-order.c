/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders: every vector judged as stated, with its field; what is kept of a refused one; no
 * changed byte passes.
 *
 * Vectors are the protocol's, not made by the code under test; the clock is theirs. What they
 * can't have (cut and flipped envelopes, odd payloads) is made here and signed by a test key: it
 * may be refused in any way, or accepted, as long as nothing is believed that wasn't signed. */
#include <time.h>

#include "proto/dsse.h"
#include "proto/jsonx.h"
#include "proto/order.h"
#include "tests/unit/vector.h"

#define NODE   "00112233445566778899aabb"
#define NOW_MS 1795410000000LL

/* The whole of section 3, without a journal. */
static int judge(const char *envelope, size_t size, const struct keyset *ks, struct order *o,
	struct order_trail *trail, struct err *err)
{
	int r = order_open(envelope, size, ks, NODE, NOW_MS, o, trail, err);

	return r < 0 ? r : order_check(o, err);
}

static void expect(const char *envelope, const struct keyset *ks, const json_t *c)
{
	const char *name = json_string_value(json_object_get(c, "name"));
	const char *verdict = json_string_value(json_object_get(c, "verdict"));
	const char *field = json_string_value(json_object_get(c, "field"));
	_cleanup_order_ struct order o;
	struct order_trail trail;
	struct err err = { 0 };
	int r = judge(envelope, strlen(envelope), ks, &o, &trail, &err);
	const char *got = r < 0 ? err_wire(err.code) : "accept";

	TAP_STREQ(got, verdict, "%s: %s", name, err.message);
	if (field)
		TAP_STREQ(err.field, field, "%s: its field", name);
}

static struct keyset test_vectors(void)
{
	_cleanup_json_ json_t *v = vector_load("orders.json");
	_cleanup_(freep) char *text = jsonx_dump(json_object_get(v, "keyset"));
	struct keyset ks = { 0 };
	struct err err = { 0 };
	int64_t now = 0;
	const json_t *c;
	size_t i;

	TAP_EQ(keyset_parse(text, strlen(text), &ks, &err), 0, "the vectors' keyset %s",
		err.message);
	TAP_OK(ident_time_parse(json_string_value(json_object_get(v, "now")), &now) == 0 &&
			now == NOW_MS,
		"the vectors' clock");
	json_array_foreach(json_object_get(v, "orders"), i, c) {
		_cleanup_(freep) char *envelope = jsonx_dump(json_object_get(c, "envelope"));

		expect(envelope, &ks, c);
	}
	return ks;
}

static void test_more(const struct vector_key *k, const struct keyset *ks)
{
	_cleanup_json_ json_t *v = vector_load("more-orders.json");
	const json_t *c, *drop;
	size_t i, j;

	json_array_foreach(json_object_get(v, "orders"), i, c) {
		_cleanup_json_ json_t *order = json_deep_copy(json_object_get(v, "base"));
		_cleanup_(freep) char *payload = NULL, *envelope = NULL;
		size_t size;

		(void)json_object_update(order, json_object_get(c, "set"));
		json_array_foreach(json_object_get(c, "drop"), j, drop)
			(void)json_object_del(order, json_string_value(drop));
		payload = jsonx_dump(order);
		envelope = dsse_sign(
			DSSE_ORDER_TYPE, payload, strlen(payload), "a", k->secret_key, &size);
		expect(envelope, ks, c);
	}
}

#define ORDER(id, node, seq, op, more)                                                             \
	"{\"v\":1,\"id\":\"" id "\",\"node_id\":\"" node "\",\"seq\":" seq                         \
	",\"issued_at\":\"2026-11-23T04:59:59.000Z\",\"expires_at\":\"2026-11-23T05:10:00.000Z\"," \
	"\"op\":\"" op "\",\"project_id\":\"aaaaaaaaaaaaaaaaaaaaaaaa\",\"container_id\":"          \
	"\"bbbbbbbbbbbbbbbbbbbbbbbb\"" more "}"
#define ID "5f5f5f5f5f5f5f5f5f5f5f01"

static int open_payload(const char *payload, const struct vector_key *k, const struct keyset *ks,
	struct order *o, struct order_trail *trail, struct err *err)
{
	_cleanup_(freep) char *envelope = NULL;
	size_t size;

	envelope = dsse_sign(DSSE_ORDER_TYPE, payload, strlen(payload), "a", k->secret_key, &size);
	*err = (struct err){ 0 };
	return order_open(envelope, size, ks, NODE, NOW_MS, o, trail, err);
}

/* A refused order is reported by what could be read of it, and believed no further than it is
 * signed. */
static void test_trail(const struct vector_key *k, const struct keyset *ks)
{
	static const uint8_t none[32];
	struct order_trail t;
	struct order o;
	struct err err;

	(void)open_payload(ORDER(ID, NODE, "42", "container.start", ",\"params\":{\"a\":1}"), k, ks,
		&o, &t, &err);
	TAP_OK(t.authenticated && t.ours && o.op == OP_CONTAINER_START && o.seq == 42 &&
			strcmp(o.id, ID) == 0 && strcmp(o.kid, "a") == 0 &&
			o.issued_ms == NOW_MS - 1000 && o.expires_ms == NOW_MS + 600000 &&
			json_object_size(o.params) == 1 && !o.params_expire && !*o.operation_id,
		"all of a good one");
	TAP_OK(o.payload_size == strlen(o.payload) && memcmp(o.digest, none, 32) != 0, "its bytes");
	order_done(&o);

	(void)open_payload(
		ORDER(ID, NODE, "0", "container.start", ",\"params\":{}"), k, ks, &o, &t, &err);
	TAP_OK(t.authenticated && t.ours && o.seq == 0 && strcmp(o.id, ID) == 0 &&
			strcmp(o.op_name, "container.start") == 0,
		"what is well-formed of a malformed one");
	order_done(&o);

	(void)open_payload(ORDER("x", NODE, "42", "container.start", ""), k, ks, &o, &t, &err);
	TAP_OK(t.ours && !*o.id && o.seq == 42 && memcmp(o.digest, none, 32) != 0,
		"without id or params");
	TAP_STREQ(err.field, "id", "the first offender");
	order_done(&o);

	(void)open_payload(
		ORDER(ID, "ffffffffffffffffffffffff", "42", "container.start", ",\"params\":{}"), k,
		ks, &o, &t, &err);
	TAP_OK(t.authenticated && !t.ours && err.code == ERR_WRONG_NODE, "one for another node");
	order_done(&o);

	(void)open_payload("nonsense", k, ks, &o, &t, &err);
	TAP_OK(t.authenticated && !t.ours && !*o.id && memcmp(o.digest, none, 32) != 0, "no JSON");
	order_done(&o);

	(void)open_payload(
		ORDER(ID, NODE, "42", "b\\u00e9\\n", ",\"params\":{}"), k, ks, &o, &t, &err);
	TAP_OK(o.op == OP_NONE && !*o.op_name && order_check(&o, &err) == -EOPNOTSUPP,
		"an odd op's name");
	order_done(&o);
}

static void test_unauthenticated(const struct keyset *ks)
{
	struct vector_key evil = vector_key(66);
	struct order_trail t;
	struct order o;
	struct err err;

	(void)open_payload(ORDER(ID, NODE, "42", "container.start", ",\"params\":{}"), &evil, ks,
		&o, &t, &err);
	TAP_OK(!t.authenticated && !t.ours && !*o.id && o.seq == 0 && !o.payload && !o.params &&
			err.code == ERR_BAD_SIGNATURE,
		"nothing is read of a forged one");
	order_done(&o);
}

static void test_parse(void)
{
	static const char old[] =
		"{\"v\":1,\"id\":\"" ID "\",\"node_id\":\"" NODE "\",\"seq\":1,"
		"\"issued_at\":\"2001-01-01T00:00:00Z\",\"expires_at\":\"2001-01-02T00:00:00Z\","
		"\"op\":\"node.resync\",\"params\":{}}";
	struct order o;

	TAP_EQ(order_parse(old, strlen(old), &o, NULL), 0, "from the journal, whatever its age");
	TAP_OK(strcmp(o.payload, old) == 0 && o.op == OP_NODE_RESYNC, "whole");
	order_done(&o);
	TAP_EQ(order_parse("{}", 2, &o, NULL), -EBADMSG, "an empty one");
	order_done(&o);
	TAP_EQ(order_parse("", 0, &o, NULL), -EBADMSG, "no bytes");
	order_done(&o);
}

/* Cut and flip a signed envelope everywhere: no crash, and only the signed bytes are ever accepted.
 */
static void test_robustness(const struct vector_key *k, const struct keyset *ks)
{
	static const char payload[] =
		ORDER(ID, NODE, "42", "container.stop", ",\"params\":{\"timeout_s\":5}");
	_cleanup_(freep) char *envelope = NULL;
	unsigned n = 0, wrong = 0;
	size_t size;

	envelope = dsse_sign(DSSE_ORDER_TYPE, payload, strlen(payload), "a", k->secret_key, &size);
	for (size_t i = 0; i < size; i++) {
		char was = envelope[i];

		for (unsigned bit = 0; bit <= 8; bit++, n++) {
			_cleanup_order_ struct order o;
			struct order_trail trail;
			struct err err;
			bool cut = bit == 8;

			envelope[i] = (char)(cut ? was : was ^ (1 << bit));
			if (judge(envelope, cut ? i : size, ks, &o, &trail, &err) == 0)
				wrong += strcmp(o.payload, payload) != 0;
		}
		envelope[i] = was;
	}
	TAP_EQ(wrong, 0, "%u truncations and flipped bits are harmless", n);
}

/* The same of a payload that is signed: it may be refused or accepted, and must not crash. */
static void test_payload_robustness(void)
{
	char payload[] = ORDER(ID, NODE, "42", "firewall.add",
		",\"params\":{\"direction\":\"ingress\",\"rule\":{\"action\":\"allow\","
		"\"protocol\":\"tcp\","
		"\"destination_port\":\"80,90-99\",\"source\":\"10.0.0.0/8\"}}");
	size_t size = strlen(payload);
	unsigned n = 0, accepted = 0;

	for (size_t i = 0; i < size; i++) {
		char was = payload[i];

		for (unsigned bit = 0; bit <= 8; bit++, n++) {
			_cleanup_(freep) char *exact = xcalloc(size, 1);
			_cleanup_order_ struct order o;
			struct err err;

			payload[i] = (char)(bit == 8 ? was : was ^ (1 << bit));
			memcpy(exact, payload, size);
			if (order_parse(exact, bit == 8 ? i : size, &o, &err) == 0)
				accepted += order_check(&o, &err) == 0;
		}
		payload[i] = was;
	}
	TAP_OK(accepted > 0 && accepted < n, "%u changed payloads are judged, %u well-formed", n,
		accepted);
}

static void measure(const struct vector_key *k, const struct keyset *ks)
{
	static const char payload[] = ORDER(ID, NODE, "42", "container.start", ",\"params\":{}");
	_cleanup_(freep) char *envelope = NULL;
	struct timespec a, b;
	size_t size;

	envelope = dsse_sign(DSSE_ORDER_TYPE, payload, strlen(payload), "a", k->secret_key, &size);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 1000; i++) {
		_cleanup_order_ struct order o;
		struct order_trail trail;
		struct err err;

		(void)judge(envelope, size, ks, &o, &trail, &err);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	TAP_NOTE("%.1f us an order",
		(double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}

int main(void)
{
	struct vector_key k = vector_key(1);
	struct keyset ks = vector_keyset(1, "a", &k, INT64_MAX);

	(void)test_vectors();
	test_more(&k, &ks);
	test_trail(&k, &ks);
	test_unauthenticated(&ks);
	test_parse();
	test_robustness(&k, &ks);
	test_payload_robustness();
	measure(&k, &ks);
	return tap_done();
}
