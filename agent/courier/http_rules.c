/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/courier/http_rules.h"

#include <fcntl.h>
#include <netdb.h>

#include "proto/base.h"
#include "proto/opfield.h"

#define CA_MAX            (4 * 1024 * 1024)
#define CONNECT_TIMEOUT_S 10

static const char *const ca_bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt" };

bool http_rules_allow(const char *url)
{
	return opfield_image_url.is(url);
}

void http_rules_set(CURL *c, const char *url, const char *ca_pem)
{
	bool tls = strncmp(url, "https", 5) == 0;

	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	if (ca_pem) {
		struct curl_blob ca = { (void *)ca_pem, strlen(ca_pem), CURL_BLOB_NOCOPY };

		(void)curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
	}
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	/* Each new connection asks the name service, which may have become another. */
	(void)curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	(void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 32768L);
}

char *http_rules_system_ca(void)
{
	for (size_t i = 0; i < countof(ca_bundles); i++) {
		_cleanup_(closep) int fd = open(ca_bundles[i], O_RDONLY | O_CLOEXEC);
		_cleanup_(freep) char *text = fd < 0 ? NULL : xcalloc(1, CA_MAX + 1);
		ssize_t n = text ? read(fd, text, CA_MAX) : -1;

		if (n > 0)
			return xstrdup(text);
	}
	return NULL;
}

void http_rules_load(void)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", "https", NULL, &found) == 0)
		freeaddrinfo(found);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}
