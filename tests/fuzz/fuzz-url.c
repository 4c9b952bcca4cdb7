/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URLs that the courier is given: the control API's and images'. Without TLS we talk to this host
 * alone: whatever is accepted as http, libcurl finds a loopback address in it too, and no user. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

#include "agent/common/conf.h"
#include "agent/courier/http_rules.h"
#include "proto/opfield.h"
#include "tests/fuzz/fuzz.h"

static bool is_loopback(const char *host)
{
	struct in_addr four;
	struct in6_addr six;
	char text[64];

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(host + 1, "]"), host + 1);
	return *host == '[' && inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* What libcurl would do with it; NULL: nothing. */
static CURLU *parsed(const char *url)
{
	CURLU *u = curl_url();

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
		return u;
	curl_url_cleanup(u);
	return NULL;
}

static void check(CURLU *u)
{
	char *scheme = NULL, *host = NULL, *user = NULL;

	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		abort();
	assert(curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
	assert(strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_loopback(host)));
	curl_free(scheme);
	curl_free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *url = fuzz_text(data, size);
	bool api = opfield_is_api_url(url),
	     image = opfield_is_plain(url) && opfield_image_url.is(url),
	     courier = http_rules_allow(url);
	CURLU *u = api || image || courier ? parsed(url) : NULL;

	assert(u || !api || strlen(url) > 2000); /* what is configured can be used */
	assert(courier || (!api && !image));     /* and what is asked for is not refused later */
	if (u)
		check(u);
	curl_url_cleanup(u);
	return 0;
}
