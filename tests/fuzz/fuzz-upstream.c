/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URLs of upstream proxies. What a proxy answers (SOCKS, HTTP) is libcurl's to read; ours is which
 * URL it is given, and what of it is shown. What we accept libcurl reads as we do: one scheme, host
 * and port, nothing else; and what is shown is the same endpoint without its credentials. */
#include <curl/curl.h>

#include "agent/state/netlist.h"
#include "proto/opfield.h"
#include "tests/fuzz/fuzz.h"

static char *part(CURLU *u, CURLUPart what)
{
	char *text = NULL;

	return curl_url_get(u, what, &text, 0) == CURLUE_OK ? text : NULL;
}

static CURLU *parsed(const char *url)
{
	CURLU *u = curl_url();

	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		abort(); /* libcurl would not take what we have accepted */
	return u;
}

static void check_same(CURLU *a, CURLU *b, CURLUPart what, bool required)
{
	char *x = part(a, what), *y = part(b, what);

	assert(required ? x && y && strcmp(x, y) == 0 : !x && !y);
	curl_free(x);
	curl_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *url = fuzz_text(data, size), *shown = NULL;
	CURLU *whole, *endpoint;
	char *path;

	if (!opfield_is_plain(url) || !opfield_proxy_url.is(url))
		return 0;
	shown = netlist_endpoint(url);
	assert(!strchr(shown, '@') && opfield_proxy_url.is(shown));
	whole = parsed(url);
	endpoint = parsed(shown);
	check_same(whole, endpoint, CURLUPART_SCHEME, true);
	check_same(whole, endpoint, CURLUPART_HOST, true);
	check_same(whole, endpoint, CURLUPART_PORT, true);
	check_same(whole, endpoint, CURLUPART_QUERY, false);
	check_same(whole, endpoint, CURLUPART_FRAGMENT, false);
	path = part(whole, CURLUPART_PATH);
	assert(!path || strcmp(path, "/") == 0);
	curl_free(path);
	path = part(endpoint, CURLUPART_USER);
	assert(!path);
	curl_url_cleanup(whole);
	curl_url_cleanup(endpoint);
	return 0;
}
