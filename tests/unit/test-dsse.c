/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Envelopes: their form, their limits, who verifies, and that no single changed byte passes. */
#include "proto/dsse.h"
#include "proto/encoding.h"
#include "tests/unit/vector.h"

#define TYPE DSSE_ORDER_TYPE

static int parse(const char *json, struct dsse *e, struct err *err)
{
	return dsse_parse(json, strlen(json), TYPE, e, err);
}

static void test_pae(void)
{
	_cleanup_json_ json_t *v = vector_load("orders.json");
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(v, "pae"), i, c) {
		const char *type = json_string_value(json_object_get(c, "type"));
		const char *hex = json_string_value(json_object_get(c, "payload_hex"));
		_cleanup_(freep) uint8_t *payload = xcalloc(strlen(hex) / 2, 1), *pae = NULL;
		_cleanup_(freep) char *got = NULL;
		size_t size;

		TAP_EQ(encoding_unhex(hex, payload, strlen(hex) / 2, false), 0, "payload %zu", i);
		pae = dsse_pae(type, payload, strlen(hex) / 2, &size);
		got = xcalloc(2 * size + 1, 1);
		encoding_hex(pae, size, got);
		TAP_STREQ(got, json_string_value(json_object_get(c, "pae_hex")), "pae %zu", i);
	}
}

static const struct {
	const char *name, *json;
	bool good;
} forms[] = {
#define T "\"payloadType\":\"" TYPE "\""
#define P "\"payload\":\"e30=\""
#define S "\"signatures\":[{\"keyid\":\"a\",\"sig\":\"AAAA\"}]"
	{ "the form", "{" T "," P "," S "}", true },
	{ "another order of members", "{" S "," P "," T "}", true },
	{ "an unknown member", "{" T "," P "," S ",\"x\":[{}]}", true },
	{ "an unknown member of a signature",
		"{" T "," P ",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"AAAA\",\"x\":1}]}", true },
	{ "no keyid", "{" T "," P ",\"signatures\":[{\"sig\":\"AAAA\"}]}", true },
	{ "an empty payload", "{" T ",\"payload\":\"\"," S "}", true },
	{ "url-safe, unpadded", "{" T ",\"payload\":\"_-8\"," S "}", true },
	{ "not JSON", "{", false },
	{ "nothing", "", false },
	{ "a list", "[]", false },
	{ "a string", "\"x\"", false },
	{ "no type", "{" P "," S "}", false },
	{ "type a number", "{\"payloadType\":1," P "," S "}", false },
	{ "another type", "{\"payloadType\":\"application/json\"," P "," S "}", false },
	{ "a longer type", "{\"payloadType\":\"" TYPE "x\"," P "," S "}", false },
	{ "no payload", "{" T "," S "}", false },
	{ "payload an object", "{" T ",\"payload\":{}," S "}", false },
	{ "payload not base64", "{" T ",\"payload\":\"e3=0\"," S "}", false },
	{ "payload with white space", "{" T ",\"payload\":\"e3 0=\"," S "}", false },
	{ "payload of both alphabets", "{" T ",\"payload\":\"+_AA\"," S "}", false },
	{ "no signatures", "{" T "," P "}", false },
	{ "signatures empty", "{" T "," P ",\"signatures\":[]}", false },
	{ "signatures an object", "{" T "," P ",\"signatures\":{}}", false },
	{ "a signature that is none", "{" T "," P ",\"signatures\":[1]}", false },
	{ "no sig", "{" T "," P ",\"signatures\":[{\"keyid\":\"a\"}]}", false },
	{ "sig not base64", "{" T "," P ",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"*\"}]}",
		false },
	{ "keyid a number", "{" T "," P ",\"signatures\":[{\"keyid\":1,\"sig\":\"AAAA\"}]}",
		false },
	{ "a duplicate payload", "{" T "," P "," P "," S "}", false },
	{ "a duplicate keyid",
		"{" T "," P ",\"signatures\":[{\"keyid\":\"a\",\"keyid\":\"a\",\"sig\":\"AAAA\"}]}",
		false },
	{ "trailing bytes", "{" T "," P "," S "}}", false },
	{ "too deep", "{" T "," P "," S ",\"x\":[[[[[[[[1]]]]]]]]}", false },
#undef T
#undef P
#undef S
};

static void test_forms(void)
{
	for (size_t i = 0; i < countof(forms); i++) {
		_cleanup_dsse_ struct dsse e = { 0 };
		struct err err = { 0 };
		int r = parse(forms[i].json, &e, &err);

		TAP_OK(forms[i].good ? r == 0 : r == -EBADMSG && err.code == ERR_MALFORMED_ENVELOPE,
			"%s: %s", forms[i].name, err.message);
	}
}

static void test_limits(void)
{
	_cleanup_(freep) char *big = xcalloc(DSSE_ENVELOPE_MAX + 2, 1), *many = xcalloc(65536, 1);
	const char *head = "{\"payloadType\":\"" TYPE
			   "\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"AAAA\"}],";
	_cleanup_dsse_ struct dsse e = { 0 };
	size_t start;

	start = (size_t)sprintf(big, "%s\"payload\":\"", head);
	memset(big + start, 'A', DSSE_ENVELOPE_MAX - start);
	/* as many characters as fit, whole groups of four, and spaces up to the limit */
	memset(big + start + (DSSE_ENVELOPE_MAX - start - 2) / 4 * 4, ' ', 6);
	memcpy(big + start + (DSSE_ENVELOPE_MAX - start - 2) / 4 * 4, "\"}", 2);
	TAP_EQ(dsse_parse(big, DSSE_ENVELOPE_MAX, TYPE, &e, NULL), 0, "1 MiB");
	TAP_EQ(e.payload_size, (DSSE_ENVELOPE_MAX - start - 2) / 4 * 3, "its payload");
	dsse_done(&e);
	big[DSSE_ENVELOPE_MAX] = ' ';
	TAP_EQ(dsse_parse(big, DSSE_ENVELOPE_MAX + 1, TYPE, &e, NULL), -EBADMSG, "a byte more");

	strcpy(many, head);
	strcat(many, "\"payload\":\"\",\"x\":[0");
	for (int i = 0; i < 1000; i++)
		strcat(many, ",0");
	strcat(many, "]}");
	TAP_EQ(parse(many, &e, NULL), -EBADMSG, "a thousand values");
}

static void test_verify(void)
{
	struct vector_key a = vector_key(1), b = vector_key(2), evil = vector_key(3);
	struct keyset ks = vector_keyset(1, "a", &a, INT64_MAX);
	_cleanup_(freep) char *json = NULL;
	_cleanup_dsse_ struct dsse e = { 0 };
	struct err err = { 0 };
	size_t size, key = 99;

	ks.n_keys = 2;
	strcpy(ks.keys[1].kid, "b");
	memcpy(ks.keys[1].public_key, b.public_key, 32);
	ks.keys[1].not_after_ms = 1000;

	json = dsse_sign(TYPE, "{\"x\":1}", 7, "b", b.secret_key, &size);
	TAP_EQ(size, strlen(json), "the size is the text's");
	TAP_EQ(parse(json, &e, &err), 0, "what we sign we read");
	TAP_OK(e.payload_size == 7 && memcmp(e.payload, "{\"x\":1}", 8) == 0, "whole");
	TAP_OK(dsse_verify(&e, &ks, 1000, &key, &err) == 0 && key == 1, "by the key that it names");
	TAP_EQ(dsse_verify(&e, &ks, 1001, &key, &err), -ENOKEY, "an expired key is none");
	TAP_EQ(err.code, ERR_UNKNOWN_KEY, "and is called so");
	TAP_OK(dsse_is_signed_by(&e, b.public_key) && !dsse_is_signed_by(&e, a.public_key),
		"signed by b alone");

	strcpy(e.signatures[0].keyid, "a");
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, &err), -EKEYREJECTED, "under another key's name");
	TAP_EQ(err.code, ERR_BAD_SIGNATURE, "and is called so");
	strcpy(e.signatures[0].keyid, "c");
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, &err), -ENOKEY, "under a name that is not known");
	e.signatures[0].keyid[0] = '\0';
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, &err), -ENOKEY, "without a name");
	strcpy(e.signatures[0].keyid, "b");
	e.signatures[0].sized = false;
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, &err), -EKEYREJECTED, "of the wrong length");

	dsse_done(&e);
	free(json);
	json = dsse_sign("application/vnd.hoody.report+json", "{}", 2, "a", evil.secret_key, &size);
	TAP_EQ(parse(json, &e, &err), -EBADMSG, "one type is not another");
}

/* Weak keys: with the neutral element or another point of small order as public key, an
 * all-but-empty signature would verify for any message under plain RFC 8032 arithmetic. */
static void test_small_order(void)
{
	struct dsse e = { .type = (char *)TYPE,
		.payload = (uint8_t *)"x",
		.payload_size = 1,
		.n_signatures = 1 };
	struct vector_key zero = { .public_key = { 0 } }, one = { .public_key = { 1 } };
	struct keyset ks = vector_keyset(1, "a", &zero, INT64_MAX);
	size_t key;

	strcpy(e.signatures[0].keyid, "a");
	e.signatures[0].sized = true;
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, NULL), -EKEYREJECTED, "key 0");
	e.signatures[0].sig[0] = 1;
	memcpy(ks.keys[0].public_key, one.public_key, 32);
	TAP_EQ(dsse_verify(&e, &ks, 0, &key, NULL), -EKEYREJECTED, "key 1, R = 1, S = 0");
}

/* Whatever is changed: no crash, and what is accepted has the payload that was signed. */
static bool is_harmless(const char *json, size_t size, const struct keyset *ks, const char *payload)
{
	_cleanup_(freep) char *exact = xcalloc(size, 1); /* so that the sanitizer sees its end */
	_cleanup_dsse_ struct dsse e = { 0 };
	size_t key;

	memcpy(exact, json, size);
	if (dsse_parse(exact, size, TYPE, &e, NULL) < 0 || dsse_verify(&e, ks, 0, &key, NULL) < 0)
		return true;
	return e.payload_size == strlen(payload) && memcmp(e.payload, payload, e.payload_size) == 0;
}

static void test_robustness(void)
{
	static const char payload[] =
		"{\"v\":1,\"op\":\"container.delete\",\"params\":{\"force\":true}}";
	struct vector_key a = vector_key(1);
	struct keyset ks = vector_keyset(1, "a", &a, INT64_MAX);
	_cleanup_(freep) char *json = NULL;
	unsigned n = 0, wrong = 0;
	size_t size;

	json = dsse_sign(TYPE, payload, sizeof(payload) - 1, "a", a.secret_key, &size);
	for (size_t cut = 0; cut < size; cut++, n++)
		wrong += !is_harmless(json, cut, &ks, payload);
	for (size_t i = 0; i < size; i++) {
		char was = json[i];

		for (unsigned bit = 0; bit < 8; bit++, n++) {
			json[i] = (char)(was ^ (1 << bit));
			wrong += !is_harmless(json, size, &ks, payload);
		}
		json[i] = was;
	}
	TAP_EQ(wrong, 0, "%u truncations and flipped bits are harmless", n);
}

int main(void)
{
	test_pae();
	test_forms();
	test_limits();
	test_verify();
	test_small_order();
	test_robustness();
	return tap_done();
}
