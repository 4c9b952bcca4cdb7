/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders made of wishes: what a wish doesn't say gets a default; what it says goes into the order
 * as it is, right or wrong. */
#include <sodium.h>

#include "tests/control-api/api.h"

#define ORDER_TYPE  "application/vnd.hoody.order+json"
#define KEYSET_TYPE "application/vnd.hoody.keyset+json"
#define EXPIRES_S   600

static void set(json_t *v, const char *key, json_t *value)
{
	if (value)
		(void)json_object_set_new(v, key, value);
}

static json_t *time_json(int64_t ms)
{
	char text[25];

	api_time(ms, text);
	return json_string(text);
}

static json_t *wished(const json_t *wish, const char *key, json_t *otherwise_steals)
{
	json_t *v = json_object_get(wish, key);

	if (!v)
		return otherwise_steals;
	json_decref(otherwise_steals);
	return json_incref(v);
}

static json_t *fresh_id(void)
{
	uint8_t raw[12];
	char hex[25];

	randombytes_buf(raw, sizeof(raw));
	api_hex(raw, sizeof(raw), hex);
	return json_string(hex);
}

/* Section 10.9: the one issued before it, where it is the next. */
static json_t *prev_seq_json(const struct api *api, const json_t *order)
{
	uint64_t prev = api->n_orders ? api->orders[api->n_orders - 1]->seq : 0;
	json_t *seq = json_object_get(order, "seq");

	return json_is_integer(seq) && (uint64_t)json_integer_value(seq) > prev
		       ? json_integer((json_int_t)prev)
		       : NULL;
}

static json_t *order_json(struct api *api, const json_t *wish)
{
	static const char *const as_wished[] = { "op", "operation_id", "project_id", "container_id",
		"realm_ids", "params_expire" };
	int64_t now_ms = api_now_ms(api);
	json_t *expires_in = json_object_get(wish, "expires_in_s"), *v = json_object();

	set(v, "v", wished(wish, "v", json_integer(1)));
	set(v, "id", wished(wish, "id", fresh_id()));
	set(v, "node_id", wished(wish, "node_id", json_string(api->node_id)));
	set(v, "seq", wished(wish, "seq", json_integer((json_int_t)api->next_seq)));
	set(v, "prev_seq", wished(wish, "prev_seq", prev_seq_json(api, v)));
	set(v, "issued_at", wished(wish, "issued_at", time_json(now_ms)));
	set(v, "expires_at",
		wished(wish, "expires_at",
			time_json(
				now_ms +
				(expires_in ? json_integer_value(expires_in) : EXPIRES_S) * 1000)));
	for (size_t i = 0; i < countof(as_wished); i++)
		set(v, as_wished[i], json_incref(json_object_get(wish, as_wished[i])));
	set(v, "params", wished(wish, "params", json_object()));
	if (json_object_get(wish, "extra"))
		(void)json_object_update(v, json_object_get(wish, "extra"));
	return v;
}

static const struct api_key *key_of(const struct api *api, const json_t *wish)
{
	const char *kid = json_string_value(json_object_get(wish, "sign_with"));

	if (!kid)
		kid = json_string_value(json_object_get(wish, "kid"));
	if (kid && strcmp(kid, "stranger") == 0)
		return &api->stranger;
	for (size_t i = 0; kid && i < api->n_keys; i++)
		if (strcmp(api->keys[i].kid, kid) == 0)
			return &api->keys[i];
	return &api->keys[api->active];
}

/* Change the signed bytes or the signature after signing. */
static void tamper(char **envelope, const char *what)
{
	json_t *v = json_loads(*envelope, 0, NULL),
	       *sig = json_array_get(json_object_get(v, "signatures"), 0);
	bool payload = strcmp(what, "payload") == 0;
	json_t *holder = payload ? v : sig;
	const char *member = payload ? "payload" : "sig";
	size_t size;
	uint8_t *bytes = api_unbase64(json_string_value(json_object_get(holder, member)), &size);
	char *text;

	bytes[size / 2] ^= 1;
	text = api_base64(bytes, size);
	(void)json_object_set_new(holder, member, json_string(text));
	free(text);
	free(bytes);
	free(*envelope);
	*envelope = json_dumps(v, JSON_COMPACT);
	json_decref(v);
}

/* By both: whoever trusts one of them takes it. */
static char *sign_twice(
	const char *type, const char *payload, const struct api_key *a, const struct api_key *b)
{
	char *first = api_dsse(type, payload, strlen(payload), a->kid, a->secret_key),
	     *second = api_dsse(type, payload, strlen(payload), b->kid, b->secret_key), *text;
	json_t *v = json_loads(first, 0, NULL), *other = json_loads(second, 0, NULL);

	(void)json_array_extend(
		json_object_get(v, "signatures"), json_object_get(other, "signatures"));
	text = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	json_decref(other);
	free(first);
	free(second);
	return text;
}

/* While it isn't known whether the node has rotated (section 10.11). */
static bool is_rotating(const struct api *api)
{
	return api->rotate_key > api->active;
}

json_t *api_build(struct api *api, const json_t *wish, char **ret_envelope)
{
	const json_t *inner =
		json_object_get(wish, "order") ? json_object_get(wish, "order") : wish;
	json_t *order = order_json(api, inner);
	const char *how = json_string_value(json_object_get(wish, "tamper")),
		   *kid = json_string_value(json_object_get(wish, "keyid"));
	const struct api_key *key = key_of(api, wish);
	char *payload = json_dumps(order, JSON_COMPACT);

	*ret_envelope = is_rotating(api) && !kid && key == &api->keys[api->active]
				? sign_twice(ORDER_TYPE, payload, key, &api->keys[api->rotate_key])
				: api_dsse(ORDER_TYPE, payload, strlen(payload),
					  kid ? kid : key->kid, key->secret_key);
	if (how)
		tamper(ret_envelope, how);
	free(payload);
	return order;
}

json_t *api_issue(struct api *api, const json_t *wish)
{
	char *envelope;
	json_t *order = api_build(api, wish, &envelope), *answer;
	const char *id = json_string_value(json_object_get(order, "id"));
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(order, "seq"));

	if (!id || strlen(id) != 24 || api_order_find(api, id)) {
		/* One that can't be kept under its id is handed out once. */
		if (api->n_raw < countof(api->raw))
			api->raw[api->n_raw++] = envelope;
		answer = json_pack("{s:b, s:O?, s:b}", "ok", true, "id",
			json_object_get(order, "id"), "raw", true);
	} else {
		api_log(api, "order",
			json_pack("{s:s, s:I, s:s}", "id", id, "seq", (json_int_t)seq, "text",
				envelope));
		(void)api_order_add(api, seq, id, envelope);
		answer = json_pack("{s:b, s:s, s:I}", "ok", true, "id", id, "seq", (json_int_t)seq);
	}
	api_ctl_event(api, "issued", json_incref(order));
	json_decref(order);
	return answer;
}

/* The next keyset: signed by the present active key and by the new one (section 7). */
static json_t *keyset_envelope(
	struct api *api, const struct api_key *present, const struct api_key *next)
{
	json_t *keyset = api_keyset_json(api), *v;
	char *payload = json_dumps(keyset, JSON_COMPACT);
	char *envelope = sign_twice(KEYSET_TYPE, payload, present, next);

	v = json_loads(envelope, 0, NULL);
	json_decref(keyset);
	free(payload);
	free(envelope);
	return v;
}

json_t *api_rotate(struct api *api, const json_t *wish)
{
	const char *kid = json_string_value(json_object_get(wish, "kid"));
	size_t before = api->active;
	json_t *envelope, *order, *answer;

	if (!kid || api->n_keys == API_KEYS_MAX)
		return json_pack("{s:b, s:s}", "ok", false, "error", "rotate needs a kid");
	api_new_key(api, kid);
	api->active = api->n_keys - 1;
	api->keyset_version++;
	envelope = keyset_envelope(api, &api->keys[before], &api->keys[api->active]);
	if (json_is_true(json_object_get(wish, "beside"))) {
		api->rotate_key = api->active;
		api->active = before; /* the answer that carries it is signed by the old one */
		api->keysets = json_pack("[o]", envelope);
		api_wake_all(api);
		return json_pack("{s:b}", "ok", true);
	}
	api->active = before; /* until the node has said that it trusts the new one */
	order = json_pack("{s:s, s:{s:o}}", "op", "node.keyset", "params", "keyset", envelope);
	answer = api_issue(api, order);
	json_decref(order);
	(void)snprintf(api->rotate_order, sizeof(api->rotate_order), "%s",
		json_string_value(json_object_get(answer, "id")));
	api->rotate_key = api->n_keys - 1;
	return answer;
}
