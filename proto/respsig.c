/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The response signature of the public API: a header of comma-separated
 * key=value items, over time, method, status, path and body. It proves that this
 * answer was made for this request, lately; it says nothing for what the answer carries. Keys that
 * are not known are skipped, one that stands twice is refused, and all six of ours must be there
 * ("m" and "s" too, which old servers left out: without them an answer could be moved to another
 * request). */
#include "proto/respsig.h"

#include <sodium.h>

#include "proto/encoding.h"

#define HEADER_MAX 8192
#define TIME_MAX   12 /* digits of t */

enum item { ITEM_T, ITEM_KID, ITEM_M, ITEM_S, ITEM_PATH, ITEM_SIG, ITEM_COUNT };

static const char *const names[] = {
	[ITEM_T] = "t",
	[ITEM_KID] = "kid",
	[ITEM_M] = "m",
	[ITEM_S] = "s",
	[ITEM_PATH] = "path",
	[ITEM_SIG] = "sig",
};
static_assert(countof(names) == ITEM_COUNT, "every item has its name");

static int bad(struct err *err, int r, enum errcode code, const char *what)
{
	return err_set(err, r, code, RESPSIG_HEADER, "%s: %s", RESPSIG_HEADER, what);
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	for (len = strlen(s); len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'); len--)
		;
	s[len] = '\0';
	return s;
}

/* Cut the next item off *@rest: up to a comma outside quotes. NULL at the end. */
static char *next_item(char **rest)
{
	char *start = *rest, *c;
	bool quoted = false;

	if (!start)
		return NULL;
	for (c = start; *c && (quoted || *c != ','); c++)
		if (*c == '"')
			quoted = !quoted;
	*rest = *c ? c + 1 : NULL;
	*c = '\0';
	return start;
}

/* Take off the quotes, which stand at both ends or nowhere. */
static char *unquote(char *s)
{
	size_t len = strlen(s);

	if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
		s[len - 1] = '\0';
		s++;
	}
	return strchr(s, '"') ? NULL : s;
}

static bool read_items(char *header, char *ret[static ITEM_COUNT])
{
	char *item, *value;

	while ((item = next_item(&header))) {
		value = strchr(item, '=');
		if (!value)
			return false;
		*value++ = '\0';
		item = trim(item);
		value = unquote(trim(value));
		if (!value)
			return false;
		for (size_t i = 0; i < ITEM_COUNT; i++) {
			if (strcasecmp(item, names[i]) != 0)
				continue;
			if (ret[i])
				return false;
			ret[i] = value;
		}
	}
	for (size_t i = 0; i < ITEM_COUNT; i++)
		if (!ret[i])
			return false;
	return true;
}

static bool read_time(const char *s, int64_t *ret)
{
	size_t len = strnlen(s, TIME_MAX + 1);

	if (len < 1 || len > TIME_MAX || strspn(s, "0123456789") != len)
		return false;
	*ret = 0;
	for (; *s; s++)
		*ret = *ret * 10 + (*s - '0');
	return true;
}

/* What was signed: t \n method \n status \n path \n body, each as the header spells it. */
static uint8_t *signed_bytes(
	char *const items[static ITEM_COUNT], const struct respsig_response *r, size_t *ret_size)
{
	size_t room = strlen(items[ITEM_T]) + strlen(items[ITEM_M]) + strlen(items[ITEM_S]) +
		      strlen(items[ITEM_PATH]) + r->body_size + 8;
	uint8_t *bytes = xcalloc(room, 1);
	int n;

	n = snprintf((char *)bytes, room, "%s\n%s\n%s\n%s\n", items[ITEM_T], items[ITEM_M],
		items[ITEM_S], items[ITEM_PATH]);
	assert(n > 0 && (size_t)n + r->body_size <= room);
	if (r->body_size > 0)
		memcpy(bytes + n, r->body, r->body_size);
	*ret_size = (size_t)n + r->body_size;
	return bytes;
}

static int judge_time(int64_t t, int64_t now_ms, struct err *err)
{
	int64_t now = now_ms / 1000;

	if (t < now - RESPSIG_SKEW_S)
		return bad(err, -ESTALE, ERR_CLOCK_SKEW,
			"it was signed more than 300 s ago by this node's clock");
	if (t > now + RESPSIG_SKEW_S)
		return bad(err, -ESTALE, ERR_CLOCK_SKEW,
			"it was signed more than 300 s ahead of this node's clock");
	return 0;
}

static int judge_items(char *const items[static ITEM_COUNT], const struct respsig_response *resp,
	int64_t *ret_t, uint8_t ret_sig[static 64], struct err *err)
{
	char status[16];

	(void)snprintf(status, sizeof(status), "%d", resp->status);
	if (!read_time(items[ITEM_T], ret_t))
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "t is not a time in seconds");
	if (encoding_unhex(items[ITEM_SIG], ret_sig, crypto_sign_BYTES, true) < 0)
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "sig is not 128 hex characters");
	if (strcmp(items[ITEM_M], resp->method) != 0)
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "it is for another method");
	if (strcmp(items[ITEM_S], status) != 0)
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "it is for another status");
	if (strcmp(items[ITEM_PATH], resp->path) != 0)
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "it is for another path");
	return 0;
}

int respsig_verify(const char *header, const struct respsig_response *r, const struct keyset *ks,
	int64_t now_ms, int64_t *ret_signed_ms, struct err *err)
{
	_cleanup_(freep) char *copy = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	char *items[ITEM_COUNT] = { 0 };
	uint8_t sig[crypto_sign_BYTES];
	const struct keyset_key *key;
	size_t size;
	int64_t t = 0;
	int e;

	if (strnlen(header, HEADER_MAX + 1) > HEADER_MAX)
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "it is too long");
	copy = xstrdup(header);
	if (!read_items(copy, items))
		return bad(err, -EBADMSG, ERR_BAD_SIGNATURE, "it is malformed or incomplete");
	e = judge_items(items, r, &t, sig, err);
	if (e < 0)
		return e;
	key = keyset_find(ks, items[ITEM_KID]);
	if (!key || keyset_key_is_expired(key, keyset_vouching_time(ks, now_ms)))
		return bad(err, -ENOKEY, ERR_UNKNOWN_KEY, "no trusted, unexpired key has its kid");
	bytes = signed_bytes(items, r, &size);
	if (crypto_sign_verify_detached(sig, bytes, size, key->public_key) != 0)
		return bad(err, -EKEYREJECTED, ERR_BAD_SIGNATURE, "it does not verify");
	if (ret_signed_ms)
		*ret_signed_ms = t * 1000;
	return judge_time(t, now_ms, err);
}
