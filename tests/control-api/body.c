/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node sends, as it was before it was compressed. No more than API_BODY_MAX comes out,
 * whatever the bytes say of themselves. */
#include <zlib.h>
#include <zstd.h>

#include "tests/control-api/api.h"

#define BATCH_TYPE "application/vnd.hoody.report-batch"

static char *gunzip(const char *data, size_t size, size_t *ret_size)
{
	char *out = xcalloc(1, API_BODY_MAX + 1);
	z_stream z = { .next_in = (Bytef *)data,
		.avail_in = (uInt)size,
		.next_out = (Bytef *)out,
		.avail_out = API_BODY_MAX };

	if (inflateInit2(&z, 15 + 16) != Z_OK || inflate(&z, Z_FINISH) != Z_STREAM_END) {
		(void)inflateEnd(&z);
		free(out);
		return NULL;
	}
	(void)inflateEnd(&z);
	*ret_size = API_BODY_MAX - z.avail_out;
	return out;
}

char *api_plain_body(struct MHD_Connection *c, const char *body, size_t *size)
{
	const char *encoding = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Encoding");

	return encoding && strcmp(encoding, "gzip") == 0 ? gunzip(body, *size, size)
							 : xstrdup(body);
}

/* The payload of an envelope, of what it has compressed. */
static char *decompress(const char *text)
{
	_cleanup_(freep) uint8_t *packed = NULL, *plain = xcalloc(1, API_BODY_MAX);
	size_t size = 0, n;

	packed = text ? api_unbase64(text, &size) : NULL;
	if (!packed)
		return NULL;
	n = ZSTD_decompress(plain, API_BODY_MAX, packed, size);
	return ZSTD_isError(n) ? NULL : api_base64(plain, n);
}

static char *unpack(const char *envelope)
{
	json_t *v = json_loads(envelope, JSON_REJECT_DUPLICATES, NULL);
	const char *encoding = json_string_value(json_object_get(v, "encoding"));
	_cleanup_(freep) char *payload =
		encoding && strcmp(encoding, "zstd") == 0
			? decompress(json_string_value(json_object_get(v, "payload")))
			: NULL;
	char *out = NULL;

	if (payload) {
		(void)json_object_set_new(v, "payload", json_string(payload));
		out = json_dumps(v, JSON_COMPACT);
	}
	json_decref(v);
	return out;
}

char *api_batch_body(struct api *api, struct MHD_Connection *c, const char *body, size_t *size)
{
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	_cleanup_(freep) char *plain = NULL;
	char *envelope;

	api->batch_bytes += *size;
	plain = api_plain_body(c, body, size);
	if (!plain || !type || strcmp(type, BATCH_TYPE) != 0)
		return TAKE(plain);
	if (api->no_packed)
		api_violation(api, "a compressed batch, though nobody takes them");
	envelope = unpack(plain);
	api->n_packed += envelope != NULL;
	*size = envelope ? strlen(envelope) : 0;
	return envelope;
}
