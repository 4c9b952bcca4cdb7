/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every transfer of the courier keeps to (PROTOCOL.md section 1): https, or http to loopback;
 * TLS 1.2 or newer with peer and host verified; no redirect, proxy, netrc, cookie or signal. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

/* Has this URL a form that we talk to: https, or http to loopback; no user, blank or fragment? */
bool http_rules_allow(const char *url);

/* @ca_pem: the only authorities; borrowed for as long as the handle. */
void http_rules_set(CURL *c, const char *url, const char *ca_pem);

/* The system's authorities, to be read while files can be seen; the caller's, NULL: none. */
char *http_rules_system_ca(void);

/* What glibc and libcurl load when first needed, loaded: before files can't be seen any more. */
void http_rules_load(void);
