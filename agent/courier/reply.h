/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes of an answer, header by header and piece by piece, as libcurl hands it on: a
 * stranger's. The body is bounded as it comes, unpacked as well; an encoding that was not asked for
 * or a gzip without its end is no answer. Pure. */
#pragma once

#include <time.h>

#include "agent/courier/gunzip.h"
#include "proto/nodecall.h"

#define REPLY_RETRY_AFTER_MAX_S 300

/* What the API says that it takes, by its latest answer that says so. */
struct reply_taken {
	bool gzip, packed;
};

struct reply {
	struct reply_taken *takes; /* borrowed; all else begins as {} */
	uint8_t *body;
	size_t size, allocated;
	bool gzipped, no_encoding; /* the answer; or it is in what we haven't asked for */
	struct gunzip gunzip;
	char signature[NODECALL_SIGNATURE_MAX];
	bool signature_too_long;
	uint64_t retry_after_ms;
};

/* One header, or any other line before the body. */
void reply_header(struct reply *r, const char *line, size_t n, time_t now);
/* A piece of the body. False: no more, and it is none that can be used. */
_must_check_ bool reply_body(struct reply *r, const void *data, size_t n);
/* Whether all that was begun has also ended. */
bool reply_is_whole(const struct reply *r);
void reply_done(struct reply *r);
