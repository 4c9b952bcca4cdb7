/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of PROTOCOL.md section 3, in its sequence, each with its code. Bytes come first
 * (envelope, signature), then form, then meaning: nothing of the payload is read before a trusted
 * key vouched for it.
 *
 * Reading the members is apart from judging them: whatever is well-formed by itself is kept, also
 * when something else is not, so that a refused order can be named in its report. */
#include "proto/order.h"

#include <sodium.h>

#include "proto/dsse.h"
#include "proto/jsonx.h"

#define ORDER_VERSION 1

void order_done(struct order *o)
{
	json_decref(o->params);
	free(o->payload);
	*o = (struct order){ 0 };
}

static int malformed(struct err *err, const char *field, const char *what)
{
	return err_set(err, -EBADMSG, ERR_MALFORMED_ORDER, field, "the order is malformed: %s %s",
		field, what);
}

/* A member that is an id of @len hex characters: kept when it is one. */
static int read_id(
	const json_t *v, const char *key, bool required, size_t len, char *ret, struct err *err)
{
	const json_t *m = json_object_get(v, key);

	if (!m || json_is_null(m))
		return required ? malformed(err, key, "is missing") : 0;
	if (!json_is_string(m) || json_string_length(m) != len ||
		!ident_is_hex(json_string_value(m), len))
		return malformed(err, key,
			len == IDENT_ID_LEN ? "must be 24 lowercase hex characters"
					    : "must be 32 lowercase hex characters");
	memcpy(ret, json_string_value(m), len + 1);
	return 0;
}

static int read_time(const json_t *v, const char *key, int64_t *ret, struct err *err)
{
	const char *s = json_string_value(json_object_get(v, key));

	if (!s || ident_time_parse(s, ret) < 0)
		return malformed(err, key, "must be a UTC time like 2026-11-23T05:00:00.000Z");
	return 0;
}

/* An order of local origin has none. */
static int read_seq(const json_t *v, bool required, uint64_t *ret, struct err *err)
{
	const json_t *m = json_object_get(v, "seq");

	if (!m && !required)
		return 0;
	if (!json_is_integer(m) || json_integer_value(m) < 1 ||
		(uint64_t)json_integer_value(m) > IDENT_SEQ_MAX)
		return malformed(err, "seq", "must be an integer from 1 to 2^53-1");
	*ret = (uint64_t)json_integer_value(m);
	return 0;
}

/* What the signer says that it issued before: below its own, where that is known. */
static int read_prev_seq(const json_t *v, struct order *o, struct err *err)
{
	const json_t *m = json_object_get(v, "prev_seq");

	if (!m || json_is_null(m))
		return 0;
	if (!json_is_integer(m) || json_integer_value(m) < 0 ||
		(o->seq && (uint64_t)json_integer_value(m) >= o->seq))
		return malformed(err, "prev_seq", "must be an integer from 0 to below seq");
	o->prev_seq = (uint64_t)json_integer_value(m);
	return 0;
}

/* A name that we could know goes into op_name; one that is longer, or not plain ASCII, is an op
 * that is not known here, and not worth repeating. */
static int read_op(const json_t *v, struct order *o, struct err *err)
{
	const char *s = json_string_value(json_object_get(v, "op"));
	size_t len;

	if (!s || !*s)
		return malformed(err, "op", "must be a string");
	o->op = oprules_find(s);
	len = strnlen(s, sizeof(o->op_name));
	if (len == sizeof(o->op_name))
		return 0;
	for (size_t i = 0; i < len; i++)
		if (s[i] < '!' || s[i] > '~')
			return 0;
	memcpy(o->op_name, s, len + 1);
	return 0;
}

static int read_realms(const json_t *v, struct err *err)
{
	const json_t *realms = json_object_get(v, "realm_ids"), *m;
	size_t i;

	if (!realms || json_is_null(realms))
		return 0;
	if (!json_is_array(realms))
		return malformed(err, "realm_ids", "must be a list of ids");
	json_array_foreach((json_t *)realms, i, m) {
		if (!json_is_string(m) || !ident_is_id(json_string_value(m)))
			return malformed(err, "realm_ids", "must be a list of ids");
	}
	return 0;
}

static int read_params(json_t *v, struct order *o, struct err *err)
{
	json_t *params = json_object_get(v, "params");
	json_t *expire = json_object_get(v, "params_expire");

	if (!json_is_object(params))
		return malformed(err, "params", "must be an object");
	o->params = json_incref(params);
	if (expire && !json_is_boolean(expire))
		return malformed(err, "params_expire", "must be true or false");
	o->params_expire = json_is_true(expire);
	return 0;
}

/* The ids that section 3 requires of this op. */
static int check_targets(const struct order *o, struct err *err)
{
	if (oprules_needs_container(o->op, o->params) && !*o->container_id)
		return malformed(err, "container_id", "is required by this op");
	if (oprules_needs_project(o->op, o->params) && !*o->project_id)
		return malformed(err, "project_id", "is required by this op");
	return 0;
}

/* Keep the first failure, and go on reading. */
static void first(int *r, struct err *kept, int now, const struct err *err)
{
	if (*r == 0 && now < 0) {
		*r = now;
		*kept = *err;
	}
}

static int read_members(json_t *v, bool remote, struct order *o, struct err *err)
{
	const json_t *version = json_object_get(v, "v");
	struct err e = { 0 }, kept = { 0 };
	int r = 0;

	if (!json_is_integer(version))
		first(&r, &kept, malformed(&e, "v", "must be an integer"), &e);
	first(&r, &kept, read_id(v, "id", true, IDENT_ID_LEN, o->id, &e), &e);
	first(&r, &kept, read_id(v, "node_id", true, IDENT_ID_LEN, o->node_id, &e), &e);
	first(&r, &kept, read_seq(v, remote, &o->seq, &e), &e);
	first(&r, &kept, read_prev_seq(v, o, &e), &e);
	first(&r, &kept, read_time(v, "issued_at", &o->issued_ms, &e), &e);
	first(&r, &kept, read_time(v, "expires_at", &o->expires_ms, &e), &e);
	first(&r, &kept, read_op(v, o, &e), &e);
	first(&r, &kept,
		read_id(v, "operation_id", false, IDENT_OPERATION_LEN, o->operation_id, &e), &e);
	first(&r, &kept, read_id(v, "project_id", false, IDENT_ID_LEN, o->project_id, &e), &e);
	first(&r, &kept, read_id(v, "container_id", false, IDENT_ID_LEN, o->container_id, &e), &e);
	first(&r, &kept, read_realms(v, &e), &e);
	first(&r, &kept, read_params(v, o, &e), &e);
	if (r == 0)
		first(&r, &kept, check_targets(o, &e), &e);
	if (r < 0 && err)
		*err = kept;
	return r;
}

/* Shape, then version, of the payload that @o owns. */
static int read_payload(bool remote, struct order *o, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	int r;

	r = jsonx_parse(o->payload, o->payload_size, ERR_MALFORMED_ORDER, &v, err);
	if (r < 0)
		return err_add(err, r, "the order is malformed");
	if (!json_is_object(v))
		return err_set(err, -EBADMSG, ERR_MALFORMED_ORDER, NULL,
			"the order is malformed: it is not an object");
	r = read_members(v, remote, o, err);
	if (r < 0)
		return r;
	if (json_integer_value(json_object_get(v, "v")) != ORDER_VERSION)
		return err_set(err, -EPROTONOSUPPORT, ERR_UNSUPPORTED_VERSION, "v",
			"order format %lld is not spoken here, only %d",
			(long long)json_integer_value(json_object_get(v, "v")), ORDER_VERSION);
	return 0;
}

/* Node and times, the last checks before the journal is asked. */
static int check_acceptance(
	const struct order *o, const char *node_id, int64_t now_ms, struct err *err)
{
	if (strcmp(o->node_id, node_id) != 0)
		return err_set(err, -EPERM, ERR_WRONG_NODE, "node_id", "the order is for node %s",
			o->node_id);
	if (o->issued_ms > now_ms + ORDER_SKEW_MS)
		return err_set(err, -EAGAIN, ERR_NOT_YET_VALID, "issued_at",
			"the order was issued %lld s ahead of this node's clock",
			(long long)(o->issued_ms - now_ms) / 1000);
	if (o->expires_ms <= now_ms)
		return err_set(err, -ETIME, ERR_EXPIRED, "expires_at",
			"the order expired %lld ms ago", (long long)(now_ms - o->expires_ms));
	if (o->expires_ms <= o->issued_ms)
		return malformed(err, "expires_at", "must be after issued_at");
	if (o->expires_ms - o->issued_ms > ORDER_VALIDITY_MS)
		return malformed(err, "expires_at", "must be at most 7 days after issued_at");
	return 0;
}

int order_open(const void *envelope, size_t size, const struct keyset *ks, const char *node_id,
	int64_t now_ms, struct order *ret, struct order_trail *ret_trail, struct err *err)
{
	_cleanup_dsse_ struct dsse e = { 0 };
	size_t key;
	int r;

	*ret = (struct order){ 0 };
	*ret_trail = (struct order_trail){ 0 };
	r = dsse_parse(envelope, size, DSSE_ORDER_TYPE, &e, err);
	if (r < 0)
		return r;
	r = dsse_verify(&e, ks, now_ms, &key, err);
	if (r < 0)
		return r;

	ret_trail->authenticated = true;
	memcpy(ret->kid, ks->keys[key].kid, sizeof(ret->kid));
	(void)crypto_hash_sha256(ret->digest, e.payload, e.payload_size);
	ret->payload_size = e.payload_size;
	ret->payload = (char *)TAKE(e.payload);

	r = read_payload(/* remote= */ true, ret, err);
	ret_trail->ours = strcmp(ret->node_id, node_id) == 0;
	if (r < 0)
		return r;
	return check_acceptance(ret, node_id, now_ms, err);
}

int order_parse(const void *payload, size_t size, struct order *ret, struct err *err)
{
	*ret = (struct order){ 0 };
	if (size > DSSE_ENVELOPE_MAX)
		return err_set(err, -EBADMSG, ERR_MALFORMED_ORDER, NULL,
			"the order is malformed: it is larger than 1 MiB");
	ret->payload = xcalloc(size + 1, 1);
	ret->payload_size = size;
	if (size > 0)
		memcpy(ret->payload, payload, size);
	(void)crypto_hash_sha256(ret->digest, (const uint8_t *)ret->payload, size);
	return read_payload(/* remote= */ false, ret, err);
}

int order_check(const struct order *o, struct err *err)
{
	const char *source;
	int r;

	if (o->op == OP_NONE)
		return err_set(err, -EOPNOTSUPP, ERR_UNSUPPORTED_OP, "op",
			"the op \"%s\" is not known here", o->op_name);
	r = oprules_check(o->op, o->params, err);
	if (r < 0)
		return r;
	source = json_string_value(json_object_get(o->params, "source_container_id"));
	if (o->op == OP_CONTAINER_COPY && strcmp(source, o->container_id) == 0)
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "source_container_id",
			"source_container_id must be another container than the copy");
	return 0;
}
