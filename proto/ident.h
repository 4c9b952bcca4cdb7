/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, names, times, addresses and ports: parse and print, nothing else. Pure. */
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

/* A key id as it may stand in a keyset and an envelope: 1 to @max of [A-Za-z0-9._:+/=@-], so that
 * it needs no quoting anywhere. */
bool ident_is_kid(const char *s, size_t max);

/* "a.b.c.d" or "a.b.c.d/len", decimal without leading zeros; the text need not end at @len. Host
 * bits may be set, *ret_addr (host order) keeps them. Returns 0 or -EINVAL. */
_must_check_ int ident_cidr4_parse(
	const char *s, size_t len, uint32_t *ret_addr, unsigned *ret_prefix);

/* "443" or "80-90", 1 to 65535, low to high, without leading zeros. Returns 0 or -EINVAL. */
_must_check_ int ident_ports_parse(
	const char *s, size_t len, uint16_t *ret_low, uint16_t *ret_high);

/* RFC 3339, UTC only ("Z"), 0 to 9 fraction digits (kept to the millisecond) <-> ms since the
 * epoch. Parse returns 0 or -EINVAL. Format writes IDENT_TIME_LEN characters and a NUL. */
_must_check_ int ident_time_parse(const char *s, int64_t *ret_ms);
void ident_time_format(int64_t ms, char ret[static IDENT_TIME_LEN + 1]);
