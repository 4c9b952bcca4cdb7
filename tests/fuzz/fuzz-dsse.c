/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Envelopes from anybody: reading never crashes, and what is read survives being written again. */
#include <sodium.h>

#include "proto/dsse.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[crypto_sign_SEEDBYTES] = { 1 };
	_cleanup_dsse_ struct dsse e = { 0 }, again = { 0 };
	_cleanup_(freep) char *json = NULL;
	uint8_t public_key[32], secret_key[64];
	struct err err = { 0 };
	size_t json_size;

	if (dsse_parse(data, size, DSSE_ORDER_TYPE, &e, &err) < 0) {
		assert(err.code == ERR_MALFORMED_ENVELOPE);
		return 0;
	}
	assert(e.n_signatures >= 1 && e.n_signatures <= DSSE_SIGNATURES_MAX);
	(void)crypto_sign_seed_keypair(public_key, secret_key, seed);
	json = dsse_sign(e.type, e.payload, e.payload_size, "k", secret_key, &json_size);
	if (json_size > DSSE_ENVELOPE_MAX)
		return 0;
	if (dsse_parse(json, json_size, DSSE_ORDER_TYPE, &again, &err) < 0)
		abort();
	assert(again.payload_size == e.payload_size);
	assert(memcmp(again.payload, e.payload, e.payload_size) == 0);
	assert(dsse_is_signed_by(&again, public_key));
	return 0;
}
