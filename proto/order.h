/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order (PROTOCOL.md section 3) and its acceptance checks in the protocol's sequence. Pure: the
 * journal's two checks (id known? seq above?) lie between order_open and order_check and are the
 * caller's. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"
#include "proto/ident.h"
#include "proto/keyset.h"
#include "proto/oprules.h"

#define ORDER_SKEW_MS     300000LL
#define ORDER_VALIDITY_MS 604800000LL /* 7 days */

struct order {
	char id[IDENT_ID_LEN + 1];
	char node_id[IDENT_ID_LEN + 1];
	uint64_t seq;
	uint64_t prev_seq; /* issued to this node before it (section 10.9); 0: none, or not said */
	int64_t issued_ms;
	int64_t expires_ms;
	enum op op; /* OP_NONE: unknown, op_name says what it was */
	char op_name[64];
	char operation_id[IDENT_OPERATION_LEN + 1]; /* empty when absent, as all below */
	char project_id[IDENT_ID_LEN + 1];
	char container_id[IDENT_ID_LEN + 1];
	bool params_expire;
	json_t *params;     /* an object, never NULL after success */
	uint8_t digest[32]; /* SHA-256 of the payload as signed */
	char *payload;      /* the payload as signed, NUL-terminated */
	size_t payload_size;
	char kid[KEYSET_KID_MAX + 1];
};

void order_done(struct order *o);
#define _cleanup_order_ _cleanup_(order_done)

/* What is known of an order that was refused, so that it can be reported and journaled. */
struct order_trail {
	bool authenticated; /* a trusted key signed it: id, seq … below may be believed where they
			       are set */
	bool ours;          /* authenticated, and node_id is this node's */
};

/* Checks 1 to 7: envelope, signature, shape, version, node, times. On failure a negative errno and
 * @err with the code of section 3; @ret holds what could be read (id, seq, op_name and digest empty
 * or 0 where not) and must be order_done() either way. */
_must_check_ int order_open(const void *envelope, size_t size, const struct keyset *ks,
	const char *node_id, int64_t now_ms, struct order *ret, struct order_trail *ret_trail,
	struct err *err);

/* The last two checks: op known, params valid. */
_must_check_ int order_check(const struct order *o, struct err *err);

/* Parse a payload that was verified before (from the journal, or of local origin): shape and
 * version, no node, no times; seq may be absent (0).
 * @ret must be order_done() either way, as above. */
_must_check_ int order_parse(const void *payload, size_t size, struct order *ret, struct err *err);
