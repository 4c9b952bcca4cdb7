/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_post.h"

#include <curl/curl.h>

#define CONNECT_TIMEOUT_S 10L
#define TOTAL_TIMEOUT_S   30L

struct response {
	char *data;
	size_t size;
};

static size_t on_data(char *data, size_t size, size_t n, void *userdata)
{
	struct response *r = userdata;
	size_t more = size * n;

	if (more > CTL_POST_RESPONSE_MAX - r->size)
		return CURL_WRITEFUNC_ERROR;
	r->data = xrealloc(r->data, r->size + more + 1, 1);
	memcpy(r->data + r->size, data, more);
	r->size += more;
	r->data[r->size] = '\0';
	return more;
}

/* An option that libcurl refuses would weaken what we promise. */
#define SET(c, option, value)                                             \
	do {                                                              \
		if (curl_easy_setopt((c), (option), (value)) != CURLE_OK) \
			abort();                                          \
	} while (0)

static void set_rules(CURL *c, const char *url, const char *ca)
{
	SET(c, CURLOPT_URL, url);
	SET(c, CURLOPT_PROTOCOLS_STR, strncmp(url, "https:", 6) == 0 ? "https" : "http");
	SET(c, CURLOPT_FOLLOWLOCATION, 0L);
	SET(c, CURLOPT_PROXY, "");
	SET(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(c, CURLOPT_NOSIGNAL, 1L);
	SET(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	SET(c, CURLOPT_TIMEOUT, TOTAL_TIMEOUT_S);
	SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(c, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(c, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(c, CURLOPT_USERAGENT, "hoody-agent/" PACKAGE_VERSION);
	if (ca)
		SET(c, CURLOPT_CAINFO, ca);
}

static int explain(CURLcode code, const char *url, const char *detail, struct err *err)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
		code == CURLE_SSL_CONNECT_ERROR)
		return err_set(err, -EKEYREJECTED, ERR_INTERNAL, NULL, "can't authenticate %s: %s",
			url, detail);
	if (code == CURLE_WRITE_ERROR)
		return err_set(err, -ECONNREFUSED, ERR_INTERNAL, NULL,
			"the response of %s is larger than %lu bytes", url, CTL_POST_RESPONSE_MAX);
	return err_set(
		err, -ECONNREFUSED, ERR_INTERNAL, NULL, "no response from %s: %s", url, detail);
}

int ctl_post(const char *url, const char *ca, const char *body, char **ret, size_t *ret_size,
	long *ret_status, struct err *err)
{
	struct curl_slist *headers = NULL;
	struct response response = { .data = xcalloc(1, 1) };
	char detail[CURL_ERROR_SIZE] = "";
	CURLcode code;
	CURL *c;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c = curl_easy_init()))
		abort();
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	set_rules(c, url, ca);
	SET(c, CURLOPT_HTTPHEADER, headers);
	SET(c, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	SET(c, CURLOPT_POSTFIELDS, body);
	SET(c, CURLOPT_ERRORBUFFER, detail);
	SET(c, CURLOPT_WRITEFUNCTION, on_data);
	SET(c, CURLOPT_WRITEDATA, &response);
	code = curl_easy_perform(c);
	if (code == CURLE_OK) {
		(void)curl_easy_getinfo(
			c, CURLINFO_RESPONSE_CODE, ret_status); /* can't fail after a transfer */
		*ret_size = response.size;
		*ret = TAKE(response.data);
	}
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	curl_global_cleanup();
	free(response.data);
	return code == CURLE_OK
		       ? 0
		       : explain(code, url, *detail ? detail : curl_easy_strerror(code), err);
}
