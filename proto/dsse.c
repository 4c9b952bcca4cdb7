/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DSSE v1. Before a signature is good, only this file has touched the sender's bytes, and it looks
 * at the envelope alone: the payload stays opaque. What is signed is the pre-authentication
 * encoding of type and payload, so bytes signed for one type are worth nothing as another. A
 * signature names its key to save work; what counts is that it verifies under it. Verification is
 * libsodium's, which refuses small-order keys and points and non-canonical scalars
 * (crypto_sign_verify_detached, ref10/open.c).
 *
 * The envelope is foreign until verified, so it is bounded before the JSON parser spends memory on
 * it: an honest one has under 40 values. Unknown members are ignored, as the DSSE specification
 * demands. */
#include "proto/dsse.h"

#include <sodium.h>

#include "proto/encoding.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define ENVELOPE_VALUES_MAX 256
#define ENVELOPE_DEPTH_MAX  8

void dsse_done(struct dsse *e)
{
	free(e->type);
	free(e->payload);
	*e = (struct dsse){ 0 };
}

static int malformed(struct err *err, const char *field, const char *what)
{
	return err_set(err, -EBADMSG, ERR_MALFORMED_ENVELOPE, field,
		"the envelope is malformed: %s", what);
}

static int read_base64(const json_t *v, uint8_t **ret, size_t *ret_size)
{
	if (!json_is_string(v))
		return -EINVAL;
	return encoding_unbase64(json_string_value(v), json_string_length(v), ret, ret_size);
}

/* One {"keyid":…,"sig":…}. keyid is optional in DSSE; a signature without names no key of ours. */
static int read_signature(const json_t *v, struct dsse_signature *ret, struct err *err)
{
	const json_t *keyid = json_object_get(v, "keyid");
	_cleanup_(freep) uint8_t *sig = NULL;
	size_t size;

	*ret = (struct dsse_signature){ 0 };
	if (!json_is_object(v))
		return malformed(err, "signatures", "a signature is not an object");
	if (keyid && !json_is_string(keyid))
		return malformed(err, "signatures", "keyid is not a string");
	if (read_base64(json_object_get(v, "sig"), &sig, &size) < 0)
		return malformed(err, "signatures", "sig is not base64");
	if (keyid && json_string_length(keyid) <= KEYSET_KID_MAX)
		memcpy(ret->keyid, json_string_value(keyid), json_string_length(keyid) + 1);
	ret->sized = size == sizeof(ret->sig);
	if (ret->sized)
		memcpy(ret->sig, sig, size);
	return 0;
}

static int read_envelope(const json_t *v, const char *want_type, struct dsse *e, struct err *err)
{
	const json_t *type = json_object_get(v, "payloadType");
	const json_t *sigs = json_object_get(v, "signatures");
	int r;

	if (!json_is_object(v))
		return malformed(err, NULL, "it is not an object");
	if (!json_is_string(type))
		return malformed(err, "payloadType", "payloadType is not a string");
	if (strcmp(json_string_value(type), want_type) != 0)
		return malformed(err, "payloadType", "payloadType is not the one expected");
	if (!json_is_array(sigs) || json_array_size(sigs) < 1 ||
		json_array_size(sigs) > DSSE_SIGNATURES_MAX)
		return malformed(err, "signatures", "there must be 1 to 8 signatures");
	for (size_t i = 0; i < json_array_size(sigs); i++) {
		r = read_signature(json_array_get(sigs, i), &e->signatures[i], err);
		if (r < 0)
			return r;
	}
	if (read_base64(json_object_get(v, "payload"), &e->payload, &e->payload_size) < 0)
		return malformed(err, "payload", "payload is not base64");
	e->n_signatures = json_array_size(sigs);
	e->type = xstrdup(want_type);
	return 0;
}

int dsse_parse(
	const void *json, size_t size, const char *want_type, struct dsse *ret, struct err *err)
{
	_cleanup_dsse_ struct dsse e = { 0 };
	_cleanup_json_ json_t *v = NULL;
	int r;

	if (size > DSSE_ENVELOPE_MAX)
		return malformed(err, NULL, "it is larger than 1 MiB");
	if (!jsonx_is_within(json, size, ENVELOPE_DEPTH_MAX, ENVELOPE_VALUES_MAX))
		return malformed(err, NULL, "it has too many values or levels");
	r = jsonx_parse(json, size, ERR_MALFORMED_ENVELOPE, &v, err);
	if (r < 0)
		return err_add(err, r, "the envelope is malformed");
	r = read_envelope(v, want_type, &e, err);
	if (r < 0)
		return r;
	*ret = e;
	e = (struct dsse){ 0 };
	return 0;
}

uint8_t *dsse_pae(const char *type, const void *payload, size_t size, size_t *ret_size)
{
	size_t type_len = strlen(type), room = type_len + size + 64;
	uint8_t *pae = xcalloc(room, 1);
	int n;

	n = snprintf((char *)pae, room, "DSSEv1 %zu %s %zu ", type_len, type, size);
	assert(n > 0 && (size_t)n + size <= room);
	if (size > 0)
		memcpy(pae + n, payload, size);
	*ret_size = (size_t)n + size;
	return pae;
}

static bool verifies(const struct dsse_signature *s, const uint8_t *pae, size_t size,
	const uint8_t public_key[static 32])
{
	return s->sized && crypto_sign_verify_detached(s->sig, pae, size, public_key) == 0;
}

int dsse_verify(const struct dsse *e, const struct keyset *ks, int64_t now_ms, size_t *ret_key,
	struct err *err)
{
	_cleanup_(freep) uint8_t *pae = NULL;
	const struct keyset_key *key;
	bool named = false;
	size_t size;

	pae = dsse_pae(e->type, e->payload, e->payload_size, &size);
	for (size_t i = 0; i < e->n_signatures; i++) {
		key = keyset_find(ks, e->signatures[i].keyid);
		if (!key || keyset_key_is_expired(key, now_ms))
			continue;
		named = true;
		if (verifies(&e->signatures[i], pae, size, key->public_key)) {
			*ret_key = (size_t)(key - ks->keys);
			return 0;
		}
	}
	if (!named)
		return err_set(
			err, -ENOKEY, ERR_UNKNOWN_KEY, NULL, "%s", err_sentence(ERR_UNKNOWN_KEY));
	return err_set(
		err, -EKEYREJECTED, ERR_BAD_SIGNATURE, NULL, "%s", err_sentence(ERR_BAD_SIGNATURE));
}

bool dsse_is_signed_by(const struct dsse *e, const uint8_t public_key[static 32])
{
	_cleanup_(freep) uint8_t *pae = NULL;
	size_t size;

	pae = dsse_pae(e->type, e->payload, e->payload_size, &size);
	for (size_t i = 0; i < e->n_signatures; i++)
		if (verifies(&e->signatures[i], pae, size, public_key))
			return true;
	return false;
}

/* Append at @at; returns the place behind it, as stpcpy does. */
static char *put_base64(char *at, const void *data, size_t size)
{
	encoding_base64_put(data, size, at);
	return at + encoding_base64_size(size);
}

char *dsse_sign(const char *type, const void *payload, size_t size, const char *keyid,
	const uint8_t secret_key[static 64], size_t *ret_size)
{
	_cleanup_(freep) uint8_t *pae = NULL;
	uint8_t sig[crypto_sign_BYTES];
	size_t pae_size, room;
	char *json, *at;

	assert(ident_is_kid(keyid, KEYSET_KID_MAX) && !strpbrk(type, "\"\\"));
	pae = dsse_pae(type, payload, size, &pae_size);
	(void)crypto_sign_detached(
		sig, NULL, pae, pae_size, secret_key); /* can't fail: it has no way to */
	room = strlen(type) + encoding_base64_size(size) + strlen(keyid) +
	       encoding_base64_size(sizeof(sig)) + 128;
	json = xcalloc(room, 1);
	at = stpcpy(json, "{\"payloadType\":\"");
	at = stpcpy(at, type);
	at = stpcpy(at, "\",\"payload\":\"");
	at = put_base64(at, payload, size);
	at = stpcpy(at, "\",\"signatures\":[{\"keyid\":\"");
	at = stpcpy(at, keyid);
	at = stpcpy(at, "\",\"sig\":\"");
	at = put_base64(at, sig, sizeof(sig));
	at = stpcpy(at, "\"}]}");
	assert((size_t)(at - json) < room);
	*ret_size = (size_t)(at - json);
	return json;
}
