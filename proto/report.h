/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Report batches (PROTOCOL.md section 6): a signed DSSE envelope around reports that are already
 * JSON text. Pure.
 *
 * A report's body is the text of one JSON object that begins {"type":…, and has everything but seq;
 * seq is put in front when the batch is built, so that the outbox can store bodies before their
 * batch is known. */
#pragma once

#include <jansson.h>

#include "proto/base.h"

#define REPORT_BATCH_MAX_BYTES (512 * 1024)
#define REPORT_BATCH_MAX       512
#define REPORT_KEYID_LEN       16

struct report_key {
	uint8_t public_key[32];
	uint8_t secret_key[64];
	char keyid[REPORT_KEYID_LEN + 1]; /* first 16 hex characters of SHA-256 of the public key */
};

/* Fill public_key and keyid from secret_key (libsodium: its second half is the public key). */
void report_key_init(struct report_key *key, const uint8_t secret_key[static 64]);

struct report_item {
	uint64_t seq;
	const char *body; /* "{...}" */
};

struct report_batch {
	const char *node_id;
	const char *boot_id; /* 32 hex */
	int64_t sent_ms;
	const uint8_t *prev; /* 32 bytes: SHA-256 of the payload of the last acknowledged batch */
	const struct report_item *items;
	size_t n_items;
};

/* The envelope's JSON text (the caller's) and the SHA-256 of its payload. */
char *report_batch_build(const struct report_batch *b, const struct report_key *key,
	size_t *ret_size, uint8_t ret_digest[static 32]);
