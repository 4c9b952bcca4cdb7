/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom an https proxy's certificate is held against, made once for all connections. libcurl reads
 * a text of certificates anew for each of its connections and keeps what it has read for as long as
 * that lasts: of the some 140 authorities of a system that is 20 ms of a processor and more than a
 * MiB. It takes a store of OpenSSL's as well, which all connections share
 * (CURLOPT_SSL_CTX_FUNCTION(3)). */
#pragma once

#include <curl/curl.h>

#include "proto/base.h"

struct upstream_trust;

/* @pem is copied. NULL in, NULL out: nobody is believed then. */
struct upstream_trust *upstream_trust_new(const char *pem);
/* Of a file with that text, or negative (NULL: nobody is believed). It is read from its beginning,
 * by pread(2): the descriptor can be had while there is still a way to the file, and the text, a
 * quarter of a MiB for a system's, needn't be kept by who may never need it. */
struct upstream_trust *upstream_trust_read(int fd);
/* What still uses it keeps what it needs. NULL in, NULL out. */
struct upstream_trust *upstream_trust_free(struct upstream_trust *t);

/* For an easy handle that is removed before @t (or NULL) is freed. */
void upstream_trust_use(const struct upstream_trust *t, CURL *c);
