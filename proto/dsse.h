/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DSSE envelopes (PROTOCOL.md section 2; the DSSE v1 protocol of the Secure Systems Lab): read
 * within limits, verify with Ed25519 before anything parses the payload, and build. keyid is a
 * hint, never an identity. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "proto/keyset.h"

#define DSSE_ENVELOPE_MAX   1048576 /* 1 MiB */
#define DSSE_SIGNATURES_MAX 8
#define DSSE_ORDER_TYPE     "application/vnd.hoody.order+json"
#define DSSE_REPORT_TYPE    "application/vnd.hoody.report+json"

struct dsse_signature {
	char keyid[KEYSET_KID_MAX + 1]; /* empty when it was longer than any id we know */
	uint8_t sig[64];
	bool sized; /* it had 64 bytes; one that had not never verifies */
};

struct dsse {
	char *type;
	uint8_t *payload; /* decoded; NUL-terminated for convenience, not part of it */
	size_t payload_size;
	size_t n_signatures;
	struct dsse_signature signatures[DSSE_SIGNATURES_MAX];
};

void dsse_done(struct dsse *e);
#define _cleanup_dsse_ _cleanup_(dsse_done)

/* Read the envelope's form; verifies nothing. -EBADMSG with ERR_MALFORMED_ENVELOPE. */
_must_check_ int dsse_parse(
	const void *json, size_t size, const char *want_type, struct dsse *ret, struct err *err);

/* Accept when one signature verifies under an unexpired key of @ks that it names. Returns 0 and the
 * index of that key; -ENOKEY (ERR_UNKNOWN_KEY) when no signature names such a key; -EKEYREJECTED
 * (ERR_BAD_SIGNATURE). */
_must_check_ int dsse_verify(const struct dsse *e, const struct keyset *ks, int64_t now_ms,
	size_t *ret_key, struct err *err);

/* The pre-authentication encoding; the caller's. */
uint8_t *dsse_pae(const char *type, const void *payload, size_t size, size_t *ret_size);

/* True when some signature of @e verifies under @public_key, whatever keyid it claims. */
bool dsse_is_signed_by(const struct dsse *e, const uint8_t public_key[static 32]);

/* A complete envelope's JSON text (the caller's), signed with the 64-byte libsodium secret key. */
char *dsse_sign(const char *type, const void *payload, size_t size, const char *keyid,
	const uint8_t secret_key[static 64], size_t *ret_size);
