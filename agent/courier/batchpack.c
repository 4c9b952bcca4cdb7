/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/batchpack.h"

#include <zstd.h>

#include "proto/encoding.h"
#include "proto/jsonx.h"

#define LEVEL 3
#define FROM  1024

/* Base64 of the compressed bytes; the caller's. */
static char *pack(const uint8_t *payload, size_t size)
{
	size_t room = ZSTD_compressBound(size), n;
	_cleanup_(freep) uint8_t *packed = xcalloc(1, room);

	n = ZSTD_compress(packed, room, payload, size, LEVEL);
	if (ZSTD_isError(n))
		abort(); /* only for want of memory: the bound is its own */
	return encoding_base64(packed, n);
}

char *batchpack(const void *envelope, size_t size, size_t *ret_size)
{
	_cleanup_json_ json_t *v = NULL;
	_cleanup_(freep) uint8_t *payload = NULL;
	_cleanup_(freep) char *packed = NULL;
	const char *text;
	char *out;
	size_t n;

	if (size <= FROM || jsonx_parse(envelope, size, ERR_MALFORMED_ENVELOPE, &v, NULL) < 0)
		return NULL;
	text = json_string_value(json_object_get(v, "payload"));
	if (!text || encoding_unbase64(text, strlen(text), &payload, &n) < 0)
		return NULL;
	packed = pack(payload, n);
	jsonx_set_string(v, "payload", packed);
	jsonx_set_string(v, "encoding", "zstd");
	out = jsonx_dump(v);
	*ret_size = strlen(out);
	return out;
}
