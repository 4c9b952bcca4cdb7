/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/reply.h"

#include <curl/curl.h>
#include <strings.h>

#include "agent/courier/batchpack.h"
#include "proto/respsig.h"

/* --- the body --- */

static bool add_plain(const uint8_t *data, size_t n, void *userdata)
{
	struct reply *r = userdata;

	if (n > NODECALL_BODY_MAX - r->size)
		return false;
	if (r->size + n > r->allocated) {
		r->allocated = MAX_OF(r->allocated * 2, r->size + n);
		r->body = xrealloc(r->body, r->allocated, 1);
	}
	memcpy(r->body + r->size, data, n);
	r->size += n;
	return true;
}

bool reply_body(struct reply *r, const void *data, size_t n)
{
	if (r->no_encoding)
		return false;
	return r->gzipped ? gunzip_feed(&r->gunzip, data, n, add_plain, r) >= 0
			  : add_plain(data, n, r);
}

bool reply_is_whole(const struct reply *r)
{
	return gunzip_is_whole(&r->gunzip);
}

void reply_done(struct reply *r)
{
	gunzip_done(&r->gunzip);
	free(r->body);
	*r = (struct reply){};
}

/* --- headers --- */

static bool is_header(
	const char *line, size_t n, const char *name, const char **ret_value, size_t *ret_n)
{
	size_t length = strlen(name);

	if (n <= length || line[length] != ':' || strncasecmp(line, name, length) != 0)
		return false;
	line += length + 1;
	n -= length + 1;
	while (n > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	while (n > 0 && strchr("\r\n \t", line[n - 1]))
		n--;
	*ret_value = line;
	*ret_n = n;
	return true;
}

/* Seconds or an HTTP date (RFC 9110, 10.2.3). */
static uint64_t read_retry_after(const char *value, size_t n, time_t now)
{
	char text[64];
	char *end;
	long long s;

	if (n == 0 || n >= sizeof(text))
		return 0;
	memcpy(text, value, n);
	text[n] = '\0';
	s = strtoll(text, &end, 10);
	if (*end != '\0') {
		time_t at = curl_getdate(text, NULL);

		s = at < 0 ? 0 : (long long)(at - now);
	}
	return s <= 0 ? 0 : (uint64_t)MIN_OF(s, (long long)REPLY_RETRY_AFTER_MAX_S) * 1000;
}

void reply_header(struct reply *r, const char *line, size_t n, time_t now)
{
	const char *value;
	size_t length;

	if (is_header(line, n, RESPSIG_HEADER, &value, &length)) {
		r->signature_too_long = length >= sizeof(r->signature);
		(void)snprintf(r->signature, sizeof(r->signature), "%.*s", (int)length, value);
	} else if (is_header(line, n, "Retry-After", &value, &length)) {
		r->retry_after_ms = read_retry_after(value, length, now);
	} else if (is_header(line, n, "Content-Encoding", &value, &length)) {
		r->gzipped = length == 4 && strncasecmp(value, "gzip", 4) == 0;
		r->no_encoding =
			!r->gzipped && !(length == 8 && strncasecmp(value, "identity", 8) == 0);
	} else if (is_header(line, n, "Accept-Encoding", &value, &length)) {
		r->takes->gzip = memmem(value, length, "gzip", 4) != NULL;
	} else if (is_header(line, n, "Accept", &value, &length)) {
		r->takes->packed =
			memmem(value, length, BATCHPACK_TYPE, strlen(BATCHPACK_TYPE)) != NULL;
	}
}
