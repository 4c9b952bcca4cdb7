/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hex and base64, strict. Pure. */
#pragma once

#include "proto/base.h"

/* Writes 2 * size characters and a NUL. */
void encoding_hex(const void *data, size_t size, char *ret);

/* Exactly 2 * size hex characters (lower case only unless @any_case). Returns 0 or -EINVAL. */
_must_check_ int encoding_unhex(const char *s, void *ret, size_t size, bool any_case);

/* Standard alphabet, padded. The result is the caller's. */
char *encoding_base64(const void *data, size_t size);
/* The same into a buffer of encoding_base64_size() characters; writes no NUL. */
size_t encoding_base64_size(size_t size);
void encoding_base64_put(const void *data, size_t size, char *ret);

/* Either alphabet (not mixed), padded or not, as DSSE allows; no white space, no stray bits.
 * @ret is the caller's (malloc; one NUL follows the data). Returns 0 or -EINVAL. */
_must_check_ int encoding_unbase64(const char *s, size_t len, uint8_t **ret, size_t *ret_size);
