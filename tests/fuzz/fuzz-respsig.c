/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Response signature headers: reading never crashes, and none is good but by a signature of ours.
 */
#include <sodium.h>

#include "proto/respsig.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[crypto_sign_SEEDBYTES] = { 1 };
	struct keyset ks = {
		.version = 1, .n_keys = 1, .keys = { { .kid = "v1", .not_after_ms = INT64_MAX } }
	};
	const struct respsig_response r = { "GET", 200, "/api/v1/meta/public-key", "{}", 2 };
	_cleanup_(freep) char *header = xcalloc(size + 1, 1);
	uint8_t secret_key[64];
	struct err err = { 0 };

	(void)crypto_sign_seed_keypair(ks.keys[0].public_key, secret_key, seed);
	if (size > 0)
		memcpy(header, data, size);
	if (respsig_verify(header, &r, &ks, 1795410000000LL, NULL, &err) == 0)
		abort(); /* the secret key is not in the corpus */
	assert(err.code != ERR_NONE);
	return 0;
}
