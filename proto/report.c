/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches are built by concatenation: the bodies are JSON already, and a batch may hold hundreds.
 * What is put around them needs no escaping (hex, times, numbers), and that is asserted. */
#include "proto/report.h"

#include <sodium.h>

#include "proto/dsse.h"
#include "proto/encoding.h"
#include "proto/ident.h"

#define SEQ_ROOM 40 /* {"seq":18446744073709551615, and the comma between items */

void report_key_init(struct report_key *key, const uint8_t secret_key[static 64])
{
	uint8_t digest[crypto_hash_sha256_BYTES];

	memcpy(key->secret_key, secret_key, 64);
	memcpy(key->public_key, secret_key + 32, 32);
	(void)crypto_hash_sha256(digest, key->public_key, sizeof(key->public_key));
	encoding_hex(digest, REPORT_KEYID_LEN / 2, key->keyid);
}

static size_t payload_room(const struct report_batch *b)
{
	size_t room = 512;

	for (size_t i = 0; i < b->n_items; i++)
		room += strlen(b->items[i].body) + SEQ_ROOM;
	return room;
}

/* {"type":…} becomes {"seq":7,"type":…} */
static char *put_item(char *at, const struct report_item *item, bool first)
{
	assert(item->body[0] == '{' && item->body[1] == '"');
	at += sprintf(at, "%s{\"seq\":%llu,", first ? "" : ",", (unsigned long long)item->seq);
	return stpcpy(at, item->body + 1);
}

static char *build_payload(const struct report_batch *b, size_t *ret_size)
{
	size_t room = payload_room(b);
	char *payload = xcalloc(room, 1), *at = payload;
	char prev[65], sent[IDENT_TIME_LEN + 1];

	assert(ident_is_id(b->node_id) && ident_is_operation_id(b->boot_id));
	encoding_hex(b->prev, 32, prev);
	ident_time_format(b->sent_ms, sent);
	at += sprintf(at,
		"{\"v\":1,\"node_id\":\"%s\",\"boot_id\":\"%s\",\"sent_at\":\"%s\",\"prev\":\"%s\","
		"\"reports\":[",
		b->node_id, b->boot_id, sent, prev);
	for (size_t i = 0; i < b->n_items; i++)
		at = put_item(at, &b->items[i], i == 0);
	at = stpcpy(at, "]}");
	assert((size_t)(at - payload) < room);
	*ret_size = (size_t)(at - payload);
	return payload;
}

char *report_batch_build(const struct report_batch *b, const struct report_key *key,
	size_t *ret_size, uint8_t ret_digest[static 32])
{
	_cleanup_(freep) char *payload = NULL;
	size_t size;

	payload = build_payload(b, &size);
	(void)crypto_hash_sha256(ret_digest, (const uint8_t *)payload, size);
	return dsse_sign(DSSE_REPORT_TYPE, payload, size, key->keyid, key->secret_key, ret_size);
}
