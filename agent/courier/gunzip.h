/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a body with Content-Encoding: gzip holds, as it comes: one member or several, one behind the
 * other (RFC 1952, 2.2), which libcurl takes for an error. What stands behind the last and begins
 * no other is one. Keeps no more than zlib's window: how much may come out is the taker's to
 * bound. */
#pragma once

#include <zlib.h>

#include "proto/base.h"

struct gunzip {
	z_stream z;
	bool begun;  /* there is something to give back */
	bool inside; /* of a member, which has not ended yet */
};

/* False: no more, and the rest is an error. */
typedef bool (*gunzip_take)(const uint8_t *data, size_t n, void *userdata);

/* Returns 0; -EBADMSG for what is no gzip; -EFBIG when @take wanted no more. */
_must_check_ int gunzip_feed(
	struct gunzip *g, const void *data, size_t n, gunzip_take take, void *userdata);
/* Whether all that was begun has also ended. */
bool gunzip_is_whole(const struct gunzip *g);
void gunzip_done(struct gunzip *g);
