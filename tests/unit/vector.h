/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the wire share: the vector files, and keys made from a seed. */
#pragma once

#include <jansson.h>
#include <sodium.h>

#include "proto/base.h"
#include "proto/jsonx.h"
#include "proto/keyset.h"
#include "tests/unit/tap.h"

struct vector_key {
	uint8_t public_key[32];
	uint8_t secret_key[64];
};

/* tests/vectors/<name> of the source tree; the caller's. */
__attribute__((unused)) static inline json_t *vector_load(const char *name)
{
	const char *top = getenv("top_srcdir");
	json_error_t e;
	char path[4096];
	json_t *v;

	(void)snprintf(path, sizeof(path), "%s/tests/vectors/%s", top ? top : ".", name);
	v = json_load_file(path, JSON_ALLOW_NUL, &e);
	if (!v)
		TAP_BAIL("%s: %s (line %d)", path, e.text, e.line);
	return v;
}

__attribute__((unused)) static inline struct vector_key vector_key(uint8_t seed)
{
	uint8_t bytes[crypto_sign_SEEDBYTES];
	struct vector_key k;

	memset(bytes, seed, sizeof(bytes));
	(void)crypto_sign_seed_keypair(k.public_key, k.secret_key, bytes);
	return k;
}

/* A keyset of version @version with one key, which is active. */
__attribute__((unused)) static inline struct keyset vector_keyset(
	int64_t version, const char *kid, const struct vector_key *key, int64_t not_after_ms)
{
	struct keyset ks = { .version = version, .n_keys = 1 };

	(void)snprintf(ks.keys[0].kid, sizeof(ks.keys[0].kid), "%s", kid);
	memcpy(ks.keys[0].public_key, key->public_key, 32);
	ks.keys[0].not_after_ms = not_after_ms;
	return ks;
}
