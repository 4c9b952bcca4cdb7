/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/portal: hoody-portal, which speaks HTTP so that root doesn't.
 *
 * Here lie requests as JSON (portal_ask), how many connections are borne (portal_crowd), their
 * bytes (portal_wire), and libmicrohttpd's loop (portal_main). It stands on proto alone, runs
 * confined (proto/sandbox) and is given its socket.
 *
 * This header: an HTTP request as the JSON that the agent is asked with (agent/api/api.h). Whatever
 * a client sends, the agent can read what comes of it. */
#pragma once

#include <jansson.h>
#include <microhttpd.h>

#include "proto/base.h"

/* @url: the path with its escapes, as it came. The caller's; NULL: method, path or query
 * are not well-formed. */
json_t *portal_ask(struct MHD_Connection *c, const char *method, const char *url, const char *body,
	size_t size);
