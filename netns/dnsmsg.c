/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/dnsmsg.h"

#define FLAGS1_QR      0x80
#define FLAGS1_OPCODE  0x78
#define FLAGS1_TC      0x02
#define FLAGS2_RA      0x80
#define RCODE_SERVFAIL 2
#define TYPE_OPT       41
#define LABEL_MAX      63
#define NAME_MAX_WIRE  255 /* RFC 1035 section 2.3.4, the root's label among them */

/* Where the counts stand. */
enum { QDCOUNT = 4, ANCOUNT = 6, NSCOUNT = 8, ARCOUNT = 10 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Behind the one question; 0: there is none. Its name has no pointers: there is nothing before it
 * to point to. */
static size_t question_end(const uint8_t *m, size_t n)
{
	size_t at = DNSMSG_HEADER;

	if (n < DNSMSG_HEADER || n > DNSMSG_MAX || get16(m + QDCOUNT) != 1)
		return 0;
	while (at < n && m[at] != 0) {
		if (m[at] > LABEL_MAX || at - DNSMSG_HEADER + 2u + m[at] > NAME_MAX_WIRE)
			return 0;
		at += 1u + m[at];
	}
	at += 1 + 4; /* the root's label, type, class */
	return at <= n ? at : 0;
}

bool dnsmsg_is_query(const uint8_t *m, size_t n)
{
	return question_end(m, n) > 0 && !(m[2] & (FLAGS1_QR | FLAGS1_OPCODE));
}

uint16_t dnsmsg_id(const uint8_t *m)
{
	return get16(m);
}

void dnsmsg_set_id(uint8_t *m, uint16_t id)
{
	put16(m, id);
}

/* Of a query: an OPT record, when there is one, is the first behind the question in all that
 * resolvers send (RFC 6891 section 6.1.1: its name is the root's). */
size_t dnsmsg_udp_limit(const uint8_t *query, size_t n)
{
	size_t at = question_end(query, n);

	if (at == 0 || at + 5 > n || get16(query + ARCOUNT) == 0 || query[at] != 0 ||
		get16(query + at + 1) != TYPE_OPT)
		return DNSMSG_UDP_PLAIN;
	return MAX_OF(get16(query + at + 3), DNSMSG_UDP_PLAIN);
}

static size_t question_alone(uint8_t *m, size_t n)
{
	size_t end = question_end(m, n);

	if (end > 0)
		memset(m + ANCOUNT, 0, DNSMSG_HEADER - ANCOUNT);
	return end;
}

size_t dnsmsg_truncate(uint8_t *answer, size_t n)
{
	if (n < DNSMSG_HEADER)
		return 0;
	answer[2] |= FLAGS1_TC;
	return question_alone(answer, n);
}

size_t dnsmsg_fail(uint8_t *query, size_t n)
{
	if (n < DNSMSG_HEADER)
		return 0;
	query[2] |= FLAGS1_QR;
	query[3] = FLAGS2_RA | RCODE_SERVFAIL;
	return question_alone(query, n);
}

size_t dnsmsg_each(uint8_t *stream, size_t n, void (*each)(uint8_t *m, size_t n, void *userdata),
	void *userdata)
{
	size_t at = 0;

	while (n - at >= 2) {
		size_t len = get16(stream + at);

		if (n - at - 2 < len)
			break;
		each(stream + at + 2, len, userdata);
		at += 2 + len;
	}
	return at;
}
