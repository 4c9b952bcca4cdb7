/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error object as JSON, there and back: in reports and answers (PROTOCOL.md section 6), in the
 * journal, and between a worker, the agent and hoodyctl:
 *
 *   {"code": <wire code>, "message": <one sentence>,
 *    "data"?: {"field"?, "reason"?, "status"?, "current_count" | "current_bytes"?, "limit"?}}
 *
 * A member of data stands where the error has it; data, where it has a member. Pure. */
#pragma once

#include "proto/jsonx.h"

/* The caller's. Without a message of its own an error has its code's general sentence, and without
 * a code it is INTERNAL. */
json_t *errjson_make(const struct err *err);

/* What of it is about a limit, into a data that is made otherwise. */
void errjson_limit(const struct err *err, json_t *data);

/* Fill @ret of @v, which may be anything, NULL too: what isn't there stays empty, an unknown code
 * is INTERNAL, no message its code's sentence, and a text too long is cut as err_set cuts. @r is
 * what happened, a negative errno, and is returned. */
int errjson_read(const json_t *v, int r, struct err *ret);
