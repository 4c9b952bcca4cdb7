/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Envelopes of keysets and orders on their way from the courier to the agent, the payload of
 * FRAME_COURIER_ORDERS: each as a length (u32, little-endian) and so many bytes. One side writes
 * what the other reads. Pure. */
#pragma once

#include "proto/base.h"

#define ORDERPACK_MAX         256 /* envelopes of orders */
#define ORDERPACK_KEYSETS_MAX 16  /* and of keysets before them */

struct orderpack {
	uint8_t *data;
	size_t size, allocated;
};

/* Behind what is there; -EMSGSIZE: no frame could carry it. */
_must_check_ int orderpack_add(struct orderpack *p, const void *envelope, size_t size);
void orderpack_done(struct orderpack *p);

/* Calls @each for the envelopes in turn, as far as the form holds. -EBADMSG: they are not @n, or
 * something else is there. */
_must_check_ int orderpack_each(const void *data, size_t size, uint64_t n,
	void (*each)(const void *envelope, size_t size, void *userdata), void *userdata);
