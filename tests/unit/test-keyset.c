/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keysets: their form, and rotation with every way to be refused. */
#include "proto/dsse.h"
#include "proto/encoding.h"
#include "proto/rotate.h"
#include "tests/unit/vector.h"

#define A                 "1111111111111111111111111111111111111111111111111111111111111111"
#define B                 "2222222222222222222222222222222222222222222222222222222222222222"
#define KEY(kid, hex)     "{\"kid\":\"" kid "\",\"public_key_hex\":\"" hex "\"}"
#define SET(keys, active) "{\"version\":1,\"keys\":[" keys "],\"active_kid\":\"" active "\"}"

static const struct {
	const char *name, *json, *field; /* field NULL: accepted */
} forms[] = {
	{ "one key", SET(KEY("a", A), "a"), NULL },
	{ "two keys", SET(KEY("a", A) "," KEY("b", B), "b"), NULL },
	{ "not_after",
		SET("{\"kid\":\"a\",\"public_key_hex\":\"" A
		    "\",\"not_after\":\"2026-11-23T05:00:00Z\"}",
			"a"),
		NULL },
	{ "not_after null",
		SET("{\"kid\":\"a\",\"public_key_hex\":\"" A "\",\"not_after\":null}", "a"), NULL },
	{ "not JSON", "{", "" },
	{ "a list", "[]", "" },
	{ "no version", "{\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}", "version" },
	{ "version 0", "{\"version\":0,\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}",
		"version" },
	{ "version 1.0", "{\"version\":1.0,\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}",
		"version" },
	{ "version 2^53",
		"{\"version\":9007199254740992,\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}",
		"version" },
	{ "no keys", "{\"version\":1,\"active_kid\":\"a\"}", "keys" },
	{ "keys empty", SET("", "a"), "keys" },
	{ "keys an object", "{\"version\":1,\"keys\":{},\"active_kid\":\"a\"}", "keys" },
	{ "a key that is none", SET("7", "a"), "keys[0].kid" },
	{ "a kid twice", SET(KEY("a", A) "," KEY("a", B), "a"), "keys" },
	{ "a public key twice", SET(KEY("a", A) "," KEY("b", A), "a"), "keys" },
	{ "a kid with a space", SET(KEY("a b", A), "a b"), "keys[0].kid" },
	{ "a kid that is empty", SET(KEY("", A), ""), "keys[0].kid" },
	{ "a short key", SET(KEY("a", A) "," KEY("b", "22"), "a"), "keys[1].public_key_hex" },
	{ "an upper-case key",
		SET(KEY("a", "AA11111111111111111111111111111111111111111111111111111111111111"),
			"a"),
		"keys[0].public_key_hex" },
	{ "not_after a number",
		SET("{\"kid\":\"a\",\"public_key_hex\":\"" A "\",\"not_after\":5}", "a"),
		"keys[0].not_after" },
	{ "an unknown member of a key",
		SET("{\"kid\":\"a\",\"public_key_hex\":\"" A "\",\"role\":\"x\"}", "a"),
		"keys[0].role" },
	{ "an unknown member",
		"{\"version\":1,\"threshold\":2,\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}",
		"threshold" },
	{ "no active_kid", "{\"version\":1,\"keys\":[" KEY("a", A) "]}", "active_kid" },
	{ "active_kid that is not there", SET(KEY("a", A), "b"), "active_kid" },
	{ "a duplicate member",
		"{\"version\":1,\"version\":1,\"keys\":[" KEY("a", A) "],\"active_kid\":\"a\"}",
		"" },
};

static void test_forms(void)
{
	for (size_t i = 0; i < countof(forms); i++) {
		struct keyset ks = { .version = 77 };
		struct err err = { 0 };
		int r = keyset_parse(forms[i].json, strlen(forms[i].json), &ks, &err);

		if (!forms[i].field) {
			TAP_OK(r == 0 && ks.version == 1, "%s", forms[i].name);
			continue;
		}
		TAP_OK(r == -EBADMSG && ks.version == 77 && strcmp(err.field, forms[i].field) == 0,
			"%s: \"%s\" (%s)", forms[i].name, err.field, err.message);
	}
}

static void test_many(void)
{
	struct keyset ks = { .version = 5, .n_keys = KEYSET_KEYS_MAX, .active = 3 }, back;
	_cleanup_(freep) char *json = NULL, *more = NULL;

	for (size_t i = 0; i < KEYSET_KEYS_MAX; i++) {
		(void)snprintf(ks.keys[i].kid, sizeof(ks.keys[i].kid), "key-%zu", i);
		memset(ks.keys[i].public_key, (int)i + 1, 32);
		ks.keys[i].not_after_ms = i % 2 ? INT64_MAX : 1795410000123 + (int64_t)i;
	}
	json = keyset_format(&ks);
	TAP_EQ(keyset_parse(json, strlen(json), &back, NULL), 0, "16 keys come back");
	TAP_OK(back.version == 5 && back.active == 3 && back.n_keys == 16 &&
			back.keys[0].not_after_ms == ks.keys[0].not_after_ms &&
			back.keys[1].not_after_ms == INT64_MAX &&
			memcmp(back.keys[15].public_key, ks.keys[15].public_key, 32) == 0,
		"as they were");
	more = xasprintf("{\"version\":5,\"keys\":[" KEY("x", B) ",%s", strchr(json, '[') + 1);
	TAP_EQ(keyset_parse(more, strlen(more), &back, NULL), -EBADMSG, "17 don't");
	TAP_OK(keyset_find(&ks, "key-3") == &ks.keys[3] && !keyset_find(&ks, "key-33"),
		"found by kid");
	TAP_OK(!keyset_key_is_expired(&ks.keys[0], 1795410000123) &&
			keyset_key_is_expired(&ks.keys[0], 1795410000124) &&
			!keyset_key_is_expired(&ks.keys[1], INT64_MAX - 1),
		"not_after is the last moment");
}

/* An envelope with the keyset, signed by one or two. */
static char *rotation(const struct keyset *next, const char *kid, const struct vector_key *one,
	const struct vector_key *two)
{
	_cleanup_(freep) char *payload = keyset_format(next), *first = NULL, *second = NULL;
	size_t size;

	first = dsse_sign(
		KEYSET_PAYLOAD_TYPE, payload, strlen(payload), kid, one->secret_key, &size);
	if (!two)
		return TAKE(first);
	second = dsse_sign(KEYSET_PAYLOAD_TYPE, payload, strlen(payload),
		next->keys[next->active].kid, two->secret_key, &size);
	first[strlen(first) - 2] = '\0'; /* "]}" */
	return xasprintf("%s,%s", first, strstr(second, "{\"keyid\""));
}

#define NOW_MS 1795410000000LL

static void judge(
	const char *name, const struct keyset *present, char *envelope, int want, enum errcode code)
{
	struct keyset next = { .version = 77 };
	struct err err = { 0 };
	int r = rotate_keyset(present, envelope, strlen(envelope), NOW_MS, &next, &err);

	TAP_OK(r == want && err.code == code && (next.version == 77) == (r < 0), "%s: %s", name,
		err.message);
	free(envelope);
}

static void test_rotation(void)
{
	struct vector_key a = vector_key(1), b = vector_key(2), evil = vector_key(3);
	struct keyset one = vector_keyset(1, "a", &a, INT64_MAX);
	struct keyset old = vector_keyset(1, "a", &a, /* not_after_ms= */ -1);
	struct keyset two = vector_keyset(2, "b", &b, INT64_MAX);
	struct keyset renewed = vector_keyset(2, "a", &a, INT64_MAX);
	struct keyset three = vector_keyset(3, "b", &b, INT64_MAX);

	judge("by the old and the new", &one, rotation(&two, "a", &a, &b), 0, ERR_NONE);
	judge("an expired set still vouches", &old, rotation(&two, "a", &a, &b), 0, ERR_NONE);
	old.keys[old.n_keys] = (struct keyset_key){ .kid = "c", .not_after_ms = NOW_MS + 1 };
	memcpy(old.keys[old.n_keys++].public_key, evil.public_key, 32);
	judge("an expired key beside a good one does not", &old, rotation(&two, "a", &a, &b),
		-EBADMSG, ERR_UNKNOWN_KEY);
	judge("the good one does", &old, rotation(&two, "c", &evil, &b), 0, ERR_NONE);
	judge("the same key in both", &one, rotation(&renewed, "a", &a, NULL), 0, ERR_NONE);
	judge("by the old alone", &one, rotation(&two, "a", &a, NULL), -EBADMSG, ERR_BAD_SIGNATURE);
	judge("by the new alone", &one, rotation(&two, "b", &b, NULL), -EBADMSG, ERR_UNKNOWN_KEY);
	judge("by the new under the old name", &one, rotation(&two, "a", &b, &b), -EBADMSG,
		ERR_BAD_SIGNATURE);
	judge("by a stranger and the new", &one, rotation(&two, "a", &evil, &b), -EBADMSG,
		ERR_BAD_SIGNATURE);
	judge("by the old and a stranger", &one, rotation(&two, "a", &a, &evil), -EBADMSG,
		ERR_BAD_SIGNATURE);
	judge("a version that skips one", &one, rotation(&three, "a", &a, &b), -ENOENT,
		ERR_KEYSET_GAP);
	judge("the same again", &two, rotation(&two, "b", &b, NULL), -ESTALE, ERR_KEYSET_ROLLBACK);
	judge("one before", &three, rotation(&two, "b", &b, NULL), -ESTALE, ERR_KEYSET_ROLLBACK);
	judge("rubbish", &one, xstrdup("{}"), -EBADMSG, ERR_MALFORMED_ENVELOPE);
}

static void test_other_payloads(void)
{
	struct vector_key a = vector_key(1);
	struct keyset one = vector_keyset(1, "a", &a, INT64_MAX);
	_cleanup_(freep) char *payload = keyset_format(&one);
	size_t size;

	judge("signed rubbish", &one,
		dsse_sign(KEYSET_PAYLOAD_TYPE, "{}", 2, "a", a.secret_key, &size), -EBADMSG,
		ERR_INVALID_PARAMS);
	judge("an order is no keyset", &one,
		dsse_sign(DSSE_ORDER_TYPE, payload, strlen(payload), "a", a.secret_key, &size),
		-EBADMSG, ERR_MALFORMED_ENVELOPE);
}

int main(void)
{
	test_forms();
	test_many();
	test_rotation();
	test_other_payloads();
	return tap_done();
}
