/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of hoody-portal, which speaks HTTP on the local socket so that root doesn't. The
 * agent owns the socket (or is given it by systemd), hands it to the portal, and gets requests back
 * as JSON, each with the connection it came on: who asks is read off that descriptor, and only off
 * one that was accepted on the local socket.
 *
 * What is answered goes out after the turn's commit (portal_flush): nobody is told what is not
 * durable. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "proto/base.h"
#include "proto/err.h"

struct portal;

/* Who answers (agent/api/api.h has what they are). */
struct portal_handlers {
	void (*request)(struct agent *a, uint64_t id, uid_t uid, json_t *request_steals);
	void (*gone)(struct agent *a, uint64_t id);
	void (*all_gone)(struct agent *a);
};

_must_check_ int portal_new(struct agent *a, const struct portal_handlers *handlers,
	struct portal **ret, struct err *err);
/* Another one, on Metrics.Listen, which answers GET /metrics and nothing else, whoever asks. */
_must_check_ int portal_new_metrics(struct agent *a, const struct portal_handlers *handlers,
	struct portal **ret, struct err *err);
struct portal *portal_free(struct portal *p);

/* What a FRAME_PORTAL_REQUEST asks (agent/api/api.h): it has a method and a path, the rest is
 * looked at when it is used. The caller's; NULL: no portal of ours says that. */
json_t *portal_read_request(const void *payload, size_t size);

/* Queue an answer: @body is sent as JSON, or as it is when it is a string. */
void portal_answer(
	struct portal *p, uint64_t id, int status, const json_t *headers, const json_t *body);
/* Queue the beginning, a part (the last one ends it) of a stream of server-sent events. */
void portal_stream(struct portal *p, uint64_t id);
void portal_chunk(struct portal *p, uint64_t id, const char *text, bool last);

/* After the commit: send what was queued. */
void portal_flush(struct portal *p);
