/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How one set of trusted keys follows the other (PROTOCOL.md section 7): rotation after TUF, and
 * rollback refusal. Pure: time and bytes come from the caller. */
#pragma once

#include "proto/keyset.h"

/* Judge a DSSE envelope that carries the next keyset: signed by a key of @present (expired ones
 * count when all are, sections 7 and 10.10) and by the new set's active key, version exactly one
 * higher. Returns 0 and *ret; -EBADMSG malformed or badly signed; -ESTALE keyset_rollback; -ENOENT
 * keyset_gap. */
_must_check_ int rotate_keyset(const struct keyset *present, const void *envelope, size_t size,
	int64_t now_ms, struct keyset *ret, struct err *err);
