/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of DNS messages as somebody needs who passes them on (RFC 1035 section 4, RFC 6891).
 * Pure. */
#pragma once

#include "proto/base.h"

#define DNSMSG_HEADER    12
#define DNSMSG_MAX       65535
#define DNSMSG_UDP_PLAIN 512 /* what a client without EDNS takes (RFC 1035 section 2.3.4) */

/* Is it a query with one question, whole? Nothing else is passed on. */
bool dnsmsg_is_query(const uint8_t *m, size_t n);

uint16_t dnsmsg_id(const uint8_t *m);
void dnsmsg_set_id(uint8_t *m, uint16_t id);

/* How long an answer to this query may be over UDP. */
size_t dnsmsg_udp_limit(const uint8_t *query, size_t n);

/* Make of an answer what says "too long, ask by TCP" (TC, the question alone), in place. Returns
 * its size; 0: not an answer with one question. */
size_t dnsmsg_truncate(uint8_t *answer, size_t n);

/* Make of a query the answer "server failure", in place. Returns its size. */
size_t dnsmsg_fail(uint8_t *query, size_t n);

/* The messages in a piece of a TCP stream, each behind its length (RFC 1035 section 4.2.2). Returns
 * how many bytes were whole ones. */
size_t dnsmsg_each(uint8_t *stream, size_t n, void (*each)(uint8_t *m, size_t n, void *userdata),
	void *userdata);
