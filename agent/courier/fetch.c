/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "agent/courier/http_rules.h"
#include "proto/chanio.h"
#include "proto/frame.h"
#include "proto/jsonx.h"
#include "proto/sandbox.h"

#define LOW_SPEED_LIMIT  100 /* bytes a second … */
#define LOW_SPEED_TIME_S 30  /* … for so long: given up */

struct fetch {
	json_t *wish;
	const char *url;
	char *ca_pem;
	int64_t offset, max; /* bytes that are there already; and may be at all */
	int to;
	uint64_t written;
	bool too_large;
};

static size_t on_body(char *data, size_t one, size_t n, void *userdata)
{
	struct fetch *f = userdata;

	if ((uint64_t)f->offset + f->written + n > (uint64_t)f->max) {
		f->too_large = true;
		return CURL_WRITEFUNC_ERROR;
	}
	if (write_all(f->to, data, n) < 0)
		return CURL_WRITEFUNC_ERROR;
	f->written += n;
	return n;
}

static enum frame_fail kind_of(CURLcode code)
{
	switch ((int)code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return FRAME_FAIL_HTTP;
	case CURLE_OPERATION_TIMEDOUT:
		return FRAME_FAIL_TIMEOUT;
	case CURLE_RANGE_ERROR:
	case CURLE_WRITE_ERROR:
		return FRAME_FAIL_BODY;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
		return FRAME_FAIL_TLS;
	default:
		return FRAME_FAIL_CONNECT;
	}
}

static struct frame transfer(struct fetch *f)
{
	struct frame answer = { .type = FRAME_FETCH_DONE };
	CURL *c = curl_easy_init();
	curl_off_t retry_s = 0;
	CURLcode code;
	long status = 0;

	if (!c)
		abort();
	http_rules_set(c, f->url, f->ca_pem);
	(void)curl_easy_setopt(c, CURLOPT_URL, f->url);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, "hoody-agent/" PACKAGE_VERSION);
	(void)curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	(void)curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)f->offset);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_LIMIT);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_TIME_S);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	code = curl_easy_perform(c);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &retry_s);
	curl_easy_cleanup(c);
	if (code != CURLE_OK)
		answer = (struct frame){ .type = FRAME_FETCH_FAILED,
			.a = f->too_large ? 413 : (uint64_t)MIN_OF(MAX_OF(status, 0), 999),
			.b = (uint64_t)MAX_OF(retry_s, 0) * 1000,
			.c = kind_of(code) };
	return answer;
}

static int read_wish(struct fetch *f, const char *text, size_t size, struct err *err)
{
	const char *ca_pem = NULL;
	int r = f->to < 0 ? err_set(err, -EBADMSG, ERR_CHANNEL, NULL, "no pipe came")
			  : jsonx_parse(text, size, ERR_CHANNEL, &f->wish, err);

	if (r >= 0)
		r = jsonx_string(f->wish, "url", true, &f->url, ERR_CHANNEL, err);
	if (r >= 0)
		r = jsonx_string(f->wish, "ca_pem", false, &ca_pem, ERR_CHANNEL, err);
	if (r >= 0)
		r = jsonx_int(f->wish, "offset", true, 0, INT64_MAX, &f->offset, ERR_CHANNEL, err);
	if (r >= 0)
		r = jsonx_int(f->wish, "max", true, 1, INT64_MAX, &f->max, ERR_CHANNEL, err);
	if (r >= 0 && !http_rules_allow(f->url))
		r = err_set(err, -EINVAL, ERR_INVALID_PARAMS, "url",
			"the URL has not the form it must have");
	f->ca_pem = ca_pem ? xstrdup(ca_pem) : NULL;
	return r;
}

int fetch_run(const struct sandbox_who *who, char *wish_takes, size_t size, int pipe_takes)
{
	struct fetch f = { .to = pipe_takes };
	struct frame answer;
	struct err err = {};
	int r = read_wish(&f, wish_takes, size, &err);

	free(wish_takes);
	if (r >= 0 && !f.ca_pem && strncmp(f.url, "https", 5) == 0)
		f.ca_pem = http_rules_system_ca();
	if (r >= 0) {
		http_rules_load();
		r = sandbox_enter(SANDBOX_CLIENT, who, &err);
	}
	if (r < 0) {
		(void)fprintf(stderr, "hoody-courier: %s\n", err.message);
		return EXIT_FAILURE;
	}
	answer = transfer(&f);
	f.to = closefd(f.to); /* the reader knows that this was all before it hears how it was */
	r = chanio_send_sync(CHANNEL_FD, &answer, NULL, 0, -1);
	json_decref(f.wish);
	free(f.ca_pem);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
