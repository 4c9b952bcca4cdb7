/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jansson under our limits: depth 32, no duplicate keys, no trailing bytes, no NUL in strings,
 * UTF-8. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

#define JSONX_DEPTH_MAX 32
#define JSONX_WHOLE_MAX 9007199254740991.0 /* what a double holds without a gap */

/* Before anything else of jansson's, in every program that uses it: its allocations abort on
 * failure, as ours do. Most of its calls would tell of a failed one by what an absent member looks
 * like, or by an object that lacks a member. */
void jsonx_init(void);

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Does the text stay within @depth levels of nesting and @values values (members count)? A scan
 * without memory, to be made before bytes of an unknown sender reach the parser, which spends up to
 * a hundred times their size. Says nothing of well-formedness otherwise. */
bool jsonx_is_within(const void *data, size_t size, unsigned depth, size_t values);

/* Parse exactly one JSON value. Returns 0 or -EBADMSG (@err: @code, with line and column, never the
 * text itself). Reals are rounded to what JSONX_REALS writes: what is read again is the same. */
_must_check_ int jsonx_parse(
	const void *data, size_t size, enum errcode code, json_t **ret, struct err *err);
/* The same of a caller's body: err->field is the member that stands twice, if one does. */
_must_check_ int jsonx_parse_body(const void *data, size_t size, json_t **ret, struct err *err);

/* What a file of our own holds from here on; NULL: it can't be read, or is no JSON. json_loadfd(3)
 * asks the kernel for each byte. */
json_t *jsonx_read(int fd);

/* Typed getters of an object's member; the message names the field. @required: absence (or null) is
 * -EINVAL, else absence leaves *ret as it was and returns 0. Strings are borrowed from @obj. */
_must_check_ int jsonx_string(const json_t *obj, const char *key, bool required, const char **ret,
	enum errcode code, struct err *err);
_must_check_ int jsonx_int(const json_t *obj, const char *key, bool required, int64_t min,
	int64_t max, int64_t *ret, enum errcode code, struct err *err);
_must_check_ int jsonx_bool(const json_t *obj, const char *key, bool required, bool *ret,
	enum errcode code, struct err *err);

/* json_pack(3) that can't fail in silence. What can't be packed (a format and arguments that don't
 * agree, NULL for what may not be NULL, text that is no UTF-8) is told on standard error with its
 * place, never with the text, and all of it becomes null: nothing that a stranger wrote ends a
 * program. Built with the address sanitizer, as for tests, it aborts. Never NULL. */
#define jsonx_pack(...) jsonx_pack_at(__FILE__, __LINE__, __VA_ARGS__)
json_t *jsonx_pack_at(const char *file, int line, const char *format, ...);

/* A member of @obj is set, in place of one that it has; for what has more members than a format is
 * readable with. What can't be set is told likewise, and becomes null. */
#define jsonx_set(obj, key, taken) jsonx_set_at(__FILE__, __LINE__, obj, key, taken)
void jsonx_set_at(const char *file, int line, json_t *obj, const char *key, json_t *taken);
/* NULL: null. */
#define jsonx_set_string(obj, key, s) \
	jsonx_set_at(__FILE__, __LINE__, obj, key, jsonx_string_or_null(s))
#define jsonx_set_int(obj, key, n)  jsonx_set(obj, key, json_integer((json_int_t)(n)))
#define jsonx_set_bool(obj, key, b) jsonx_set(obj, key, json_boolean(b))
#define jsonx_set_real(obj, key, x) jsonx_set(obj, key, json_real(x))
/* null for NULL. NULL: it is no UTF-8. */
json_t *jsonx_string_or_null(const char *s);

/* Milliseconds since the epoch as RFC 3339 has them (proto/ident.h). */
json_t *jsonx_time(int64_t ms);

/* A flag for json_dumps(3): 0.2 is written as 0.2, not 0.20000000000000001. 15 digits are what
 * every decimal number survives. */
#define JSONX_REALS JSON_REAL_PRECISION(15) /* DBL_DIG */

/* 2 where the value is whole, as people write it, else 0.5. */
json_t *jsonx_number(double value);

/* Compact text; the caller's. Aborts when out of memory. */
char *jsonx_dump(const json_t *v);
/* The same with sorted keys: equal values give equal bytes. */
char *jsonx_canonical(const json_t *v);
