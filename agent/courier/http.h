/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One HTTP exchange after the other with the control API: libcurl's multi interface on an sd-event
 * loop, under the rules of PROTOCOL.md section 1. Sees bytes, judges TLS, status and size, and
 * parses nothing else. X-Hoody-Signature of what may be believed (status 200) is the agent's to
 * verify; here it only has to be there, where it is required.
 *
 * https only, http to loopback only; TLS 1.2 or newer, peer and host verified; no redirects, no
 * proxy, no netrc, no cookies, no signals; a connect and a total time-out; decoded
 * bodies up to HTTP_BODY_MAX. */
#pragma once

#include <systemd/sd-event.h>

#include "proto/base.h"
#include "proto/frame.h"
#include "proto/keyset.h"
#include "proto/nodecall.h"

#define HTTP_BODY_MAX NODECALL_BODY_MAX

struct http_setup {
	char *api_url, *node_id, *node_token, *user_agent, *hostname;
	char *ca_pem; /* the only or, when there is none, the system's certificates */
	bool signature_required;
	struct keyset keyset;
	bool has_keyset;
};

struct http;     /* the client: connections, what the API can do */
struct http_job; /* an exchange under way */

struct http_answer {
	enum frame_fail fail;
	int status;              /* 0: none came */
	uint64_t retry_after_ms; /* 0: none given */
	const uint8_t *body;     /* when fail is NONE */
	size_t size;
	const char
		*signature; /* the header, not verified; "": there is none, and none is required */
};
typedef void (*http_done)(const struct http_answer *answer, void *userdata);

/* @setup is borrowed and must outlive the client. */
_must_check_ int http_new(sd_event *event, const struct http_setup *setup, struct http **ret);
struct http *http_free(struct http *h);

/* Has this URL a form that we talk to? */
bool http_is_allowed(const char *url);

/* Whether the API has said that batches may come compressed (agent/courier/batchpack), and has not
 * refused one since. */
bool http_takes_packed(const struct http *h);

struct http_request {
	const char *path; /* appended to api_url */
	const void *body; /* it is a POST; NULL: a GET */
	size_t size;
	bool packed; /* the body is of agent/courier/batchpack */
	unsigned timeout_s;
};

/* @done is called once, from the loop, unless http_free comes first. The request is copied. */
_must_check_ int http_start(
	struct http *h, const struct http_request *rq, http_done done, void *userdata);
