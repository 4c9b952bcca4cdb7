/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/upstream_trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define FILE_MAX ((size_t)4 * 1024 * 1024)

struct upstream_trust {
	char *pem;
	X509_STORE *store; /* NULL: libcurl's TLS is another, or can tell better what is wrong */
};

/* A libcurl of several has the others in parentheses (curl_version_info(3)). */
static bool is_openssl(void)
{
	const char *has = curl_version_info(CURLVERSION_NOW)->ssl_version;
	char ours[32];
	int n = snprintf(ours, sizeof(ours), "OpenSSL/%d.", OPENSSL_VERSION_MAJOR);

	return has && strncmp(has, ours, (size_t)n) == 0;
}

/* The flags are libcurl's own: an authority may be one that another has signed. */
static X509_STORE *read_store(const char *pem)
{
	X509_STORE *store = X509_STORE_new();
	BIO *text = BIO_new_mem_buf(pem, -1);
	STACK_OF(X509_INFO) *all = NULL;
	int n = 0;

	if (!store || !text ||
		X509_STORE_set_flags(
			store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) != 1)
		abort(); /* no memory */
	all = PEM_X509_INFO_read_bio(text, NULL, NULL, NULL);
	for (int i = 0; i < sk_X509_INFO_num(all); i++) {
		X509 *one = sk_X509_INFO_value(all, i)->x509;

		if (one && X509_STORE_add_cert(store, one) == 1)
			n++;
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(text);
	ERR_clear_error();
	if (n > 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}

struct upstream_trust *upstream_trust_new(const char *pem)
{
	struct upstream_trust *t = pem ? xcalloc(1, sizeof(*t)) : NULL;

	if (t) {
		t->store = is_openssl() ? read_store(pem) : NULL;
		t->pem = t->store ? NULL : xstrdup(pem);
	}
	return t;
}

struct upstream_trust *upstream_trust_read(int fd)
{
	_cleanup_(freep) char *pem = xcalloc(1, FILE_MAX + 1);
	size_t n = 0;
	ssize_t got;

	while (n < FILE_MAX && (got = pread(fd, pem + n, FILE_MAX - n, (off_t)n)) > 0)
		n += (size_t)got;
	return upstream_trust_new(n > 0 ? pem : NULL);
}

struct upstream_trust *upstream_trust_free(struct upstream_trust *t)
{
	if (t) {
		X509_STORE_free(t->store);
		free(t->pem);
		free(t);
	}
	return NULL;
}

static CURLcode set_store(CURL *c, void *context, void *userdata)
{
	SSL_CTX_set1_cert_store(context, userdata);
	return CURLE_OK;
}

/* libcurl would keep the store of the first connection for all that follow, whatever is set later
 * (CURLOPT_CA_CACHE_TIMEOUT(3); seen with 7.88), and sessions, whose resumption asks nobody (RFC
 * 8446, 2.2): those who were believed then would be believed after a change. */
static void keep_nothing(CURL *c)
{
	(void)curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

void upstream_trust_use(const struct upstream_trust *t, CURL *c)
{
	(void)curl_easy_setopt(c, CURLOPT_PROXY_CAINFO, NULL); /* not a file */
	(void)curl_easy_setopt(c, CURLOPT_PROXY_CAPATH, NULL);
	keep_nothing(c);
	if (!t)
		return;
	if (t->store) {
		(void)curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, set_store);
		(void)curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, t->store);
	} else {
		struct curl_blob text = { t->pem, strlen(t->pem), CURL_BLOB_NOCOPY };

		(void)curl_easy_setopt(c, CURLOPT_PROXY_CAINFO_BLOB, &text);
	}
}
