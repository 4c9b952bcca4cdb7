/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A next keyset that is really signed, whatever it says: taken only when a present key and its own
 * active key have signed it and its version is the next one; and then it is the one that was
 * signed.
 *
 * The first byte says which of four keys sign, the rest is the payload, in which "@0" to "@3" stand
 * for the public keys. Key 0 is the present one. */
#include <sodium.h>

#include "proto/dsse.h"
#include "proto/encoding.h"
#include "proto/jsonx.h"
#include "proto/keyset.h"
#include "proto/rotate.h"
#include "tests/fuzz/fuzz.h"

#define KEYS    4
#define PRESENT 7 /* version */
#define HEX     64

static struct key {
	uint8_t public[32], secret[64];
	char hex[HEX + 1];
} keys[KEYS];

static void make_keys(void)
{
	for (uint8_t i = 0; i < KEYS; i++) {
		uint8_t seed[crypto_sign_SEEDBYTES] = { (uint8_t)(i + 1) };

		(void)crypto_sign_seed_keypair(keys[i].public, keys[i].secret, seed);
		encoding_hex(keys[i].public, sizeof(keys[i].public), keys[i].hex);
	}
}

static char *resolved(const uint8_t *data, size_t size, size_t *ret_size)
{
	char *text = xcalloc(size * HEX + 1, 1), *to = text;

	for (size_t i = 0; i < size; i++) {
		if (i + 1 < size && data[i] == '@' && data[i + 1] >= '0' &&
			data[i + 1] < '0' + KEYS) {
			to = mempcpy(to, keys[data[++i] - '0'].hex, HEX);
			continue;
		}
		*to++ = (char)data[i];
	}
	*ret_size = (size_t)(to - text);
	return text;
}

/* With all the signatures of @who's bits. The caller's; NULL: none. */
static char *envelope_of(const char *payload, size_t size, unsigned who)
{
	json_t *all = NULL;
	char *text;

	for (unsigned i = 0; i < KEYS; i++) {
		char kid[] = { 'k', (char)('0' + i), '\0' };
		_cleanup_json_ json_t *one = NULL;
		size_t n;

		if (!(who & 1u << i))
			continue;
		text = dsse_sign(KEYSET_PAYLOAD_TYPE, payload, size, kid, keys[i].secret, &n);
		one = json_loadb(text, n, 0, NULL);
		free(text);
		if (!all)
			all = json_incref(one);
		else
			(void)json_array_extend(json_object_get(all, "signatures"),
				json_object_get(one, "signatures"));
	}
	text = all ? jsonx_dump(all) : NULL;
	json_decref(all);
	return text;
}

static void check_taken(const struct keyset *next, const char *payload, size_t size, unsigned who)
{
	struct keyset read;
	struct err err = {};
	bool own = false;

	assert((who & 1) && next->version == PRESENT + 1 && next->active < next->n_keys);
	for (unsigned i = 0; i < KEYS; i++)
		own = own ||
		      (who & 1u << i && memcmp(next->keys[next->active].public_key, keys[i].public,
						sizeof(keys[i].public)) == 0);
	assert(own);
	if (keyset_parse(payload, size, &read, &err) < 0)
		abort();
	assert(read.version == next->version && read.n_keys == next->n_keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keyset present = { .version = PRESENT,
		.n_keys = 1,
		.keys = { { .kid = "k0", .not_after_ms = 1 } } },
		      next;
	_cleanup_(freep) char *payload = NULL, *envelope = NULL;
	struct err err = {};
	size_t n;

	if (size == 0)
		return 0;
	if (!*keys[0].hex)
		make_keys();
	memcpy(present.keys[0].public_key, keys[0].public, sizeof(keys[0].public));
	payload = resolved(data + 1, size - 1, &n);
	envelope = envelope_of(payload, n, data[0]);
	if (!envelope)
		return 0;
	if (rotate_keyset(&present, envelope, strlen(envelope), 0, &next, &err) == 0)
		check_taken(&next, payload, n, data[0]);
	else
		assert(err.code != ERR_NONE && *err.message);
	return 0;
}
