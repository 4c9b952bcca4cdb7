/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/keylist.h"

#include <sodium.h>

#include "proto/ident.h"
#include "proto/jsonx.h"

/* The second word is the key's blob in base64, and its SHA-256 the fingerprint (sshkey_fingerprint
 * in OpenSSH's sshkey.c). */
bool keylist_fingerprint(const char *key, char ret[static KEYLIST_FINGERPRINT_MAX])
{
	const char *blob = strchr(key, ' ');
	size_t len = blob ? strcspn(++blob, " \t\n") : 0, size;
	_cleanup_(freep) uint8_t *bytes = xcalloc(len + 1, 1);
	uint8_t hash[crypto_hash_sha256_BYTES];
	char text[KEYLIST_FINGERPRINT_MAX - 7];

	if (len == 0 || sodium_base642bin(bytes, len, blob, len, NULL, &size, NULL,
				sodium_base64_VARIANT_ORIGINAL) < 0)
		return false;
	(void)crypto_hash_sha256(hash, bytes, size);
	(void)sodium_bin2base64(
		text, sizeof(text), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	(void)snprintf(ret, KEYLIST_FINGERPRINT_MAX, "SHA256:%s", text);
	return true;
}

char *keylist_get(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT key FROM ssh_keys WHERE container_id=?1", "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? xstrdup(store_text(q, 0)) : NULL;
}

void keylist_set(struct store *s, const char *container_id, const char *key, int64_t now_ms)
{
	char fingerprint[KEYLIST_FINGERPRINT_MAX] = "";

	if (!key) {
		store_must(store_exec(
			s, "DELETE FROM ssh_keys WHERE container_id=?1", "t", container_id));
		return;
	}
	(void)keylist_fingerprint(key, fingerprint);
	store_must(store_exec(s,
		"INSERT INTO ssh_keys(container_id, key, fingerprint, installed_ms) VALUES(?1, ?2, "
		"?3, ?4) ON CONFLICT(container_id) DO UPDATE SET key=?2, fingerprint=?3, "
		"installed_ms=?4 WHERE key<>?2",
		"ttti", container_id, key, fingerprint, now_ms));
}

void keylist_set_installed(
	struct store *s, const char *container_id, bool installed, int64_t now_ms)
{
	store_must(store_exec(s,
		"UPDATE ssh_keys SET installed_ms=?2 WHERE container_id=?1 AND "
		"(installed_ms=0)<>(?2=0)",
		"ti", container_id, installed ? now_ms : 0));
}

bool keylist_is_others(struct store *s, const char *fingerprint, const char *but)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT 1 FROM ssh_keys WHERE fingerprint=?1 AND container_id<>?2 LIMIT 1", "tt",
		fingerprint, but);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

void keylist_show(struct store *s, const char *container_id, json_t *into)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s,
		"SELECT key, fingerprint, installed_ms FROM ssh_keys WHERE container_id=?1", "t",
		container_id);
	int r = store_step(q);
	char text[IDENT_TIME_LEN + 1] = "";

	store_must(MIN_OF(r, 0));
	if (r > 0 && store_int(q, 2) > 0)
		ident_time_format(store_int(q, 2), text);
	jsonx_set_string(into, "ssh_public_key", r > 0 ? store_text(q, 0) : NULL);
	jsonx_set_string(into, "ssh_key_fingerprint", r > 0 ? store_text(q, 1) : NULL);
	jsonx_set_string(into, "ssh_key_installed_at", text[0] ? text : NULL);
}
