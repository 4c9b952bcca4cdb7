/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads that a trusted key signed, whatever they are: judged without a crash, kept to the byte,
 * and what is accepted has the form that the rest of the agent relies on. */
#include <sodium.h>

#include "proto/dsse.h"
#include "proto/order.h"
#include "tests/fuzz/fuzz.h"

#define NODE   "00112233445566778899aabb"
#define NOW_MS 1795410000000LL

static void check_accepted(const struct order *o)
{
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	assert(ident_is_id(o->id) && o->seq >= 1 && o->seq <= IDENT_SEQ_MAX);
	assert(o->op > OP_NONE && strcmp(o->op_name, oprules_wire(o->op)) == 0);
	assert(oprules_timeout_s(o->op, o->params) >= 1 &&
		oprules_timeout_s(o->op, o->params) <= 600);
	oprules_lanes(o->op, o->container_id, o->project_id, o->params, &lanes);
	assert(lanes.n >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[crypto_sign_SEEDBYTES] = { 1 };
	struct keyset ks = {
		.version = 1, .n_keys = 1, .keys = { { .kid = "k", .not_after_ms = INT64_MAX } }
	};
	_cleanup_(freep) char *envelope = NULL;
	_cleanup_order_ struct order o;
	struct order_trail trail;
	uint8_t secret_key[64];
	size_t envelope_size;
	struct err err = { 0 };
	int r;

	(void)crypto_sign_seed_keypair(ks.keys[0].public_key, secret_key, seed);
	envelope = dsse_sign(DSSE_ORDER_TYPE, data, size, "k", secret_key, &envelope_size);
	r = order_open(envelope, envelope_size, &ks, NODE, NOW_MS, &o, &trail, &err);
	if (envelope_size > DSSE_ENVELOPE_MAX)
		return 0;
	assert(trail.authenticated && o.payload_size == size);
	assert(size == 0 || memcmp(o.payload, data, size) == 0);
	if (r == 0)
		r = order_check(&o, &err);
	if (r == 0)
		check_accepted(&o);
	else
		assert(err.code != ERR_NONE && *err.message);
	return 0;
}
