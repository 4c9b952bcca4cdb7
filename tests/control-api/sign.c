/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodings, DSSE and keys, written from RFC 4648, the DSSE page and section 15.2 of the API's
 * description. */
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/control-api/api.h"

static int64_t clock_now_ms(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t api_now_ms(const struct api *api)
{
	static int64_t booted_ms;

	if (booted_ms == 0)
		booted_ms = clock_now_ms(CLOCK_REALTIME) - clock_now_ms(CLOCK_BOOTTIME);
	return (api && !api->steady ? clock_now_ms(CLOCK_REALTIME)
				    : clock_now_ms(CLOCK_BOOTTIME) + booted_ms) +
	       (api ? api->now_offset_ms : 0);
}

void api_time(int64_t ms, char ret[static 25])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char whole[24];

	(void)gmtime_r(&s, &tm);
	(void)strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret, 25, "%.19s.%03uZ", whole, (unsigned)(ms % 1000) % 1000u);
}

bool api_is_time(const char *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	if (!s || strlen(s) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	return true;
}

void api_hex(const void *data, size_t size, char *ret)
{
	(void)sodium_bin2hex(ret, 2 * size + 1, data, size);
}

bool api_unhex(const char *s, void *ret, size_t size)
{
	size_t got;

	return s && strlen(s) == 2 * size &&
	       sodium_hex2bin(ret, size, s, 2 * size, NULL, &got, NULL) == 0 && got == size;
}

char *api_base64(const void *data, size_t size)
{
	size_t n = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
	char *s = xcalloc(1, n);

	(void)sodium_bin2base64(s, n, data, size, sodium_base64_VARIANT_ORIGINAL);
	return s;
}

uint8_t *api_unbase64(const char *s, size_t *ret_size)
{
	uint8_t *data = xcalloc(1, strlen(s) + 1);

	if (sodium_base642bin(data, strlen(s), s, strlen(s), NULL, ret_size, NULL,
		    sodium_base64_VARIANT_ORIGINAL) == 0)
		return data;
	free(data);
	return NULL;
}

static char *pae(const char *type, const void *payload, size_t size, size_t *ret_size)
{
	char *text = xcalloc(1, strlen(type) + size + 64);
	int n = sprintf(text, "DSSEv1 %zu %s %zu ", strlen(type), type, size);

	memcpy(text + n, payload, size);
	*ret_size = (size_t)n + size;
	return text;
}

char *api_dsse(const char *type, const void *payload, size_t size, const char *kid,
	const uint8_t *secret_key)
{
	size_t n;
	_cleanup_(freep) char *signed_bytes = pae(type, payload, size, &n),
			      *payload64 = api_base64(payload, size), *sig64 = NULL;
	uint8_t sig[64];

	(void)crypto_sign_detached(sig, NULL, (const uint8_t *)signed_bytes, n, secret_key);
	sig64 = api_base64(sig, sizeof(sig));
	return xasprintf("{\"payloadType\":\"%s\",\"payload\":\"%s\",\"signatures\":[{\"keyid\":\"%"
			 "s\",\"sig\":\"%s\"}]}",
		type, payload64, kid, sig64);
}

json_t *api_dsse_open(const char *envelope, const char *type, const uint8_t *public_key,
	char **ret_payload, size_t *ret_size, const char **ret_why)
{
	json_t *v = json_loads(envelope, JSON_REJECT_DUPLICATES, NULL), *inner = NULL;
	const json_t *sig = json_array_get(json_object_get(v, "signatures"), 0);
	const char *got_type = json_string_value(json_object_get(v, "payloadType")),
		   *payload64 = json_string_value(json_object_get(v, "payload"));
	const char *sig64 = json_string_value(json_object_get(sig, "sig"));
	_cleanup_(freep) uint8_t *payload = NULL, *raw = NULL;
	_cleanup_(freep) char *signed_bytes = NULL;
	size_t size = 0, n = 0, sig_size = 0;

	*ret_why = NULL;
	if (!got_type || strcmp(got_type, type) != 0 || !payload64 || !sig64)
		*ret_why = "not a DSSE envelope of the right type";
	else if (!(payload = api_unbase64(payload64, &size)) ||
		 !(raw = api_unbase64(sig64, &sig_size)) || sig_size != 64)
		*ret_why = "bad base64 in the envelope";
	if (!*ret_why && public_key) {
		signed_bytes = pae(type, payload, size, &n);
		if (crypto_sign_verify_detached(
			    raw, (const uint8_t *)signed_bytes, n, public_key) != 0)
			*ret_why = "the signature is wrong";
	}
	if (!*ret_why &&
		!(inner = json_loadb((const char *)payload, size, JSON_REJECT_DUPLICATES, NULL)))
		*ret_why = "the payload is no JSON";
	json_decref(v);
	if (!*ret_why && ret_payload) {
		*ret_payload = (char *)TAKE(payload);
		*ret_size = size;
	}
	return inner;
}

/* --- keys --- */

void api_new_key(struct api *api, const char *kid)
{
	struct api_key *k = &api->keys[api->n_keys];
	_cleanup_(freep) char *path = xasprintf("%s/key-%s", api->state_dir, kid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert(api->n_keys < API_KEYS_MAX);
	(void)snprintf(k->kid, sizeof(k->kid), "%s", kid);
	if (fd >= 0 && read(fd, k->secret_key, 64) == 64) {
		memcpy(k->public_key, k->secret_key + 32, 32);
	} else {
		(void)crypto_sign_keypair(k->public_key, k->secret_key);
		closefd(fd);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, k->secret_key, 64) != 64)
			abort();
	}
	closefd(fd);
	api->n_keys++;
}

static json_t *key_json(const struct api_key *k)
{
	char hex[65];

	api_hex(k->public_key, 32, hex);
	return json_pack("{s:s, s:s}", "kid", k->kid, "public_key_hex", hex);
}

json_t *api_keyset_json(const struct api *api)
{
	json_t *keys = json_array();

	/* What was rotated away is trusted no longer. */
	for (size_t i = api->active; i < api->n_keys; i++)
		(void)json_array_append_new(keys, key_json(&api->keys[i]));
	return json_pack("{s:i, s:o, s:s}", "version", api->keyset_version, "keys", keys,
		"active_kid", api->keys[api->active].kid);
}

void api_write_trusted_keys(const struct api *api)
{
	_cleanup_(freep) char *path = xasprintf("%s/trusted-keys.json", api->state_dir);
	json_t *v = api_keyset_json(api);

	if (json_dump_file(v, path, JSON_INDENT(2)) < 0)
		abort();
	json_decref(v);
}

void api_keys_load(struct api *api)
{
	api->keyset_version = 1;
	api_new_key(api, "v1");
	(void)crypto_sign_keypair(api->stranger.public_key, api->stranger.secret_key);
	strcpy(api->stranger.kid, "stranger");
	api_write_trusted_keys(api);
}

char *api_sign_response(const struct api *api, const struct api_key *k, const char *method,
	int status, const char *path, const void *body, size_t size)
{
	long long t = (long long)(api_now_ms(api) / 1000);
	size_t head = strlen(path) + strlen(method) + 64;
	_cleanup_(freep) char *text = xcalloc(1, head + size);
	int n = sprintf(text, "%lld\n%s\n%d\n%s\n", t, method, status, path);
	uint8_t sig[64];
	char hex[129];

	memcpy(text + n, body, size);
	(void)crypto_sign_detached(
		sig, NULL, (const uint8_t *)text, (size_t)n + size, k->secret_key);
	api_hex(sig, sizeof(sig), hex);
	return xasprintf(
		"t=%lld,kid=%s,m=%s,s=%d,path=%s,sig=%s", t, k->kid, method, status, path, hex);
}
