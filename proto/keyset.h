/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trusted keys (PROTOCOL.md section 7): the root of trust, and its file form; how one follows
 * the other is proto/rotate. Pure: time and bytes come from the caller. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define KEYSET_KEYS_MAX     16
#define KEYSET_KID_MAX      64
#define KEYSET_FILE_MAX     65536
#define KEYSET_PAYLOAD_TYPE "application/vnd.hoody.keyset+json"

struct keyset_key {
	char kid[KEYSET_KID_MAX + 1];
	uint8_t public_key[32];
	int64_t not_after_ms; /* INT64_MAX when it has none */
};

struct keyset {
	int64_t version;
	size_t n_keys;
	struct keyset_key keys[KEYSET_KEYS_MAX];
	size_t active; /* index of active_kid */
};

/* Read the JSON of section 7. Returns 0, or -EBADMSG with the offending field. */
_must_check_ int keyset_parse(const void *json, size_t size, struct keyset *ret, struct err *err);
/* Its JSON text (the caller's). */
char *keyset_format(const struct keyset *ks);

/* The key of that id, or NULL. Expiry is the caller's to ask: keyset_key_is_expired. */
const struct keyset_key *keyset_find(const struct keyset *ks, const char *kid);
bool keyset_key_is_expired(const struct keyset_key *key, int64_t now_ms);

/* The time that this set's keys are asked about where a set of which all has expired still counts:
 * for keysets, and for the answers that carry them (sections 7 and 10.10). @now_ms while a key is
 * good; else a time at which none has expired. */
int64_t keyset_vouching_time(const struct keyset *ks, int64_t now_ms);
