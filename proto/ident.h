/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, names and times: parse and print, nothing else. Pure. */
#pragma once

#include "proto/base.h"

#define IDENT_ID_LEN        24 /* lowercase hex characters of a resource id */
#define IDENT_OPERATION_LEN 32 /* lowercase hex characters of an operation id */
#define IDENT_SEQ_MAX       ((1ULL << 53) - 1)
#define IDENT_TIME_LEN      24 /* "2026-11-23T05:00:00.000Z" */

/* True when @s is exactly @len lowercase hex characters. */
bool ident_is_hex(const char *s, size_t len);
bool ident_is_id(const char *s);
bool ident_is_operation_id(const char *s);

/* RFC 3339, UTC only ("Z"), 0 to 9 fraction digits (kept to the millisecond) <-> ms since the epoch.
 * Parse returns 0 or -EINVAL. Format writes IDENT_TIME_LEN characters and a NUL. */
_must_check_ int ident_time_parse(const char *s, int64_t *ret_ms);
void ident_time_format(int64_t ms, char ret[static IDENT_TIME_LEN + 1]);
