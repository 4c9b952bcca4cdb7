/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One HTTP POST, under the courier's rules: https, or http to a loopback address; peer and host
 * verified; no redirects, proxies, cookies, .netrc or other settings of the environment; bounded in
 * time and size. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define CTL_POST_RESPONSE_MAX 1048576UL

/* POST the JSON text @body to @url (which opfield_is_api_url()). @ca is a PEM file, or NULL for the
 * system's authorities. *ret is the response's body (the caller's, NUL-terminated), *ret_status its
 * status, whatever it is. -ECONNREFUSED when there was no response (the message says why),
 * -EKEYREJECTED when the peer could not be authenticated. */
_must_check_ int ctl_post(const char *url, const char *ca, const char *body, char **ret,
	size_t *ret_size, long *ret_status, struct err *err);
