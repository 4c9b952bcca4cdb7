/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of trust. A keyset is small, closed and read strictly: unknown members are refused,
 * since one could be a constraint (a threshold, a role) that must not be skipped, and one public
 * key stands under one id, so that it can't outlive its own not_after under another.
 *
 * Rotation follows The Update Framework's root rotation (TUF specification 5.3): the step is signed
 * by a key that is trusted now, and by the new active key, which proves that somebody holds it.
 * Nothing of the payload is read before the first of these is good. Expired keys still vouch for
 * the next keyset, or a node that was off for long could never be reached again. */
#include "proto/keyset.h"

#include "proto/encoding.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

static int invalid(struct err *err, const char *field, const char *what)
{
	return err_set(err, -EBADMSG, ERR_INVALID_PARAMS, field, "the keyset is not valid: %s%s%s",
		field, *field ? " " : "", what);
}

/* Refuse members of @obj that are not in @known, a list that ends with NULL. */
static int only_known(
	const json_t *obj, const char *const *known, const char *prefix, struct err *err)
{
	char field[96];
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)obj, key, value) {
		for (i = 0; known[i] && strcmp(known[i], key) != 0; i++)
			;
		if (known[i])
			continue;
		(void)snprintf(field, sizeof(field), "%s%s", prefix, key);
		return invalid(err, field, "is not known here");
	}
	return 0;
}

static int read_key(const json_t *v, size_t index, struct keyset_key *ret, struct err *err)
{
	static const char *const known[] = { "kid", "public_key_hex", "not_after", NULL };
	const char *kid = json_string_value(json_object_get(v, "kid"));
	const char *hex = json_string_value(json_object_get(v, "public_key_hex"));
	const json_t *not_after = json_object_get(v, "not_after");
	char prefix[32], field[64];
	int r;

	(void)snprintf(prefix, sizeof(prefix), "keys[%zu].", index);
	r = only_known(v, known, prefix, err);
	if (r < 0)
		return r;
	if (!kid || !ident_is_kid(kid, KEYSET_KID_MAX)) {
		(void)snprintf(field, sizeof(field), "%skid", prefix);
		return invalid(err, field, "must be 1 to 64 of A-Z a-z 0-9 . _ : + / = @ -");
	}
	if (!hex || encoding_unhex(hex, ret->public_key, sizeof(ret->public_key), false) < 0) {
		(void)snprintf(field, sizeof(field), "%spublic_key_hex", prefix);
		return invalid(err, field, "must be 64 lowercase hex characters");
	}
	ret->not_after_ms = INT64_MAX;
	if (not_after && !json_is_null(not_after) &&
		(!json_is_string(not_after) ||
			ident_time_parse(json_string_value(not_after), &ret->not_after_ms) < 0)) {
		(void)snprintf(field, sizeof(field), "%snot_after", prefix);
		return invalid(err, field, "must be a UTC time like 2026-11-23T05:00:00.000Z");
	}
	memcpy(ret->kid, kid, strlen(kid) + 1);
	return 0;
}

static int refuse_twins(const struct keyset *ks, struct err *err)
{
	const struct keyset_key *a, *b;

	for (size_t i = 0; i < ks->n_keys; i++) {
		for (size_t j = 0; j < i; j++) {
			a = &ks->keys[i];
			b = &ks->keys[j];
			if (strcmp(a->kid, b->kid) == 0)
				return invalid(err, "keys", "has one kid twice");
			if (memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0)
				return invalid(err, "keys", "has one public key twice");
		}
	}
	return 0;
}

static int read_keys(const json_t *keys, struct keyset *ks, struct err *err)
{
	int r;

	if (!json_is_array(keys) || json_array_size(keys) < 1 ||
		json_array_size(keys) > KEYSET_KEYS_MAX)
		return invalid(err, "keys", "must be a list of 1 to 16 keys");
	for (size_t i = 0; i < json_array_size(keys); i++) {
		r = read_key(json_array_get(keys, i), i, &ks->keys[i], err);
		if (r < 0)
			return r;
		ks->n_keys++;
	}
	return refuse_twins(ks, err);
}

int keyset_parse(const void *json, size_t size, struct keyset *ret, struct err *err)
{
	static const char *const known[] = { "version", "keys", "active_kid", NULL };
	_cleanup_json_ json_t *v = NULL;
	struct keyset ks = { 0 };
	const struct keyset_key *active;
	const char *active_kid;
	int r;

	if (size > KEYSET_FILE_MAX)
		return invalid(err, "", "it is larger than 64 KiB");
	r = jsonx_parse(json, size, ERR_INVALID_PARAMS, &v, err);
	if (r < 0)
		return err_add(err, r, "the keyset is not valid");
	if (!json_is_object(v))
		return invalid(err, "", "it is not an object");
	r = only_known(v, known, "", err);
	if (r < 0)
		return r;
	ks.version = json_integer_value(json_object_get(v, "version"));
	if (ks.version < 1 || (uint64_t)ks.version > IDENT_SEQ_MAX)
		return invalid(err, "version", "must be an integer from 1 to 2^53-1");
	r = read_keys(json_object_get(v, "keys"), &ks, err);
	if (r < 0)
		return r;
	active_kid = json_string_value(json_object_get(v, "active_kid"));
	active = active_kid ? keyset_find(&ks, active_kid) : NULL;
	if (!active)
		return invalid(err, "active_kid", "must be the kid of one of the keys");
	ks.active = (size_t)(active - ks.keys);
	*ret = ks;
	return 0;
}

char *keyset_format(const struct keyset *ks)
{
	_cleanup_json_ json_t *v = NULL, *keys = json_array();
	char hex[65], time[IDENT_TIME_LEN + 1];
	json_t *key;

	assert(ks->n_keys >= 1 && ks->n_keys <= KEYSET_KEYS_MAX && ks->active < ks->n_keys);
	for (size_t i = 0; i < ks->n_keys; i++) {
		encoding_hex(ks->keys[i].public_key, 32, hex);
		key = jsonx_pack("{s:s, s:s}", "kid", ks->keys[i].kid, "public_key_hex", hex);
		if (ks->keys[i].not_after_ms != INT64_MAX) {
			ident_time_format(ks->keys[i].not_after_ms, time);
			jsonx_set_string(key, "not_after", time);
		}
		(void)json_array_append_new(keys, key);
	}
	v = jsonx_pack("{s:I, s:O, s:s}", "version", (json_int_t)ks->version, "keys", keys,
		"active_kid", ks->keys[ks->active].kid);
	return jsonx_dump(v);
}

const struct keyset_key *keyset_find(const struct keyset *ks, const char *kid)
{
	for (size_t i = 0; i < ks->n_keys; i++)
		if (strcmp(ks->keys[i].kid, kid) == 0)
			return &ks->keys[i];
	return NULL;
}

bool keyset_key_is_expired(const struct keyset_key *key, int64_t now_ms)
{
	return now_ms > key->not_after_ms;
}

int64_t keyset_vouching_time(const struct keyset *ks, int64_t now_ms)
{
	for (size_t i = 0; i < ks->n_keys; i++)
		if (!keyset_key_is_expired(&ks->keys[i], now_ms))
			return now_ms;
	return INT64_MIN; /* at the beginning of time no key has expired */
}
