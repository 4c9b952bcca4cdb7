/* SPDX-License-Identifier: GPL-2.0-or-later */
/* X-Hoody-Signature on responses:
 * t=<unix s>,kid=<id>,m=<METHOD>,s=<status>,path=<path with query>,sig=<128 hex>, keys
 * case-insensitive, values may be quoted. Signed: t \n method \n status \n path \n body. Protects
 * the channel; never replaces an order's own signature. Pure. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"
#include "proto/keyset.h"

#define RESPSIG_SKEW_S 300
#define RESPSIG_HEADER "X-Hoody-Signature"

struct respsig_response {
	const char *method;
	int status;
	const char *path; /* as requested, with query */
	const void *body;
	size_t body_size;
};

/* Expired keys count when all of @ks have expired: such a node must still be able to get a new set.
 *
 * Returns 0; -EBADMSG malformed or of another request; -ENOKEY; -EKEYREJECTED; -ESTALE
 * (CLOCK_SKEW): it verifies, but was signed more than RESPSIG_SKEW_S from @now_ms, so one of the
 * two clocks is wrong. @ret_signed_ms, which may be NULL, is when, with 0 and -ESTALE. */
_must_check_ int respsig_verify(const char *header, const struct respsig_response *r,
	const struct keyset *ks, int64_t now_ms, int64_t *ret_signed_ms, struct err *err);
