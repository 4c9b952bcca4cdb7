/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/dnsmsg.h"

#include "tests/unit/tap.h"

/* a.b. IN A, with an OPT record of 1232 bytes behind it */
#define QUESTION "\1a\1b\0\0\1\0\1"
#define OPT      "\0\0\51\4\320\0\0\0\0\0\0"

static const uint8_t plain[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0" QUESTION;
static const uint8_t edns[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1" QUESTION OPT;
static const uint8_t answer[] =
	"\x12\x34\x81\x80\0\1\0\1\0\0\0\0" QUESTION "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4";

#define SIZE(m) (sizeof(m) - 1)

static void test_queries(void)
{
	uint8_t m[sizeof(edns)];

	TAP_OK(dnsmsg_is_query(plain, SIZE(plain)), "a query");
	TAP_OK(dnsmsg_is_query(edns, SIZE(edns)), "a query with EDNS");
	TAP_OK(!dnsmsg_is_query(answer, SIZE(answer)), "an answer is none");
	for (size_t n = 0; n < SIZE(plain); n++)
		TAP_OK(!dnsmsg_is_query(plain, n), "cut at %zu it is none", n);
	memcpy(m, plain, SIZE(plain));
	m[5] = 2;
	TAP_OK(!dnsmsg_is_query(m, SIZE(plain)), "two questions");
	m[5] = 1;
	m[12] = 0xc0;
	TAP_OK(!dnsmsg_is_query(m, SIZE(plain)), "a pointer in the question");
	m[12] = 63;
	TAP_OK(!dnsmsg_is_query(m, SIZE(plain)), "a label beyond the end");
	TAP_EQ(dnsmsg_id(plain), 0x1234, "its id");
}

static void test_limits(void)
{
	TAP_EQ(dnsmsg_udp_limit(plain, SIZE(plain)), 512, "without EDNS");
	TAP_EQ(dnsmsg_udp_limit(edns, SIZE(edns)), 1232, "with EDNS");
	TAP_EQ(dnsmsg_udp_limit(edns, SIZE(edns) - SIZE(OPT) + 3), 512, "with half of it");
}

static void test_shortened(void)
{
	uint8_t m[sizeof(answer)];

	memcpy(m, answer, SIZE(answer));
	TAP_EQ(dnsmsg_truncate(m, SIZE(answer)), SIZE(plain), "the question alone");
	TAP_OK((m[2] & 0x82) == 0x82, "an answer that says it was truncated");
	TAP_EQ(m[7], 0, "without answers");
	TAP_EQ(dnsmsg_truncate(m, 11), 0, "no header, no message");
	memcpy(m, edns, SIZE(plain));
	TAP_EQ(dnsmsg_fail(m, SIZE(plain)), SIZE(plain), "a failure");
	TAP_OK(m[2] & 0x80 && (m[3] & 0x0f) == 2 && m[11] == 0, "says so");
}

/* Four labels of 63 are 257 bytes with the root's: too many. What is made of such a question would
 * not fit into 512 bytes. */
static void test_long_name(void)
{
	uint8_t m[12 + 4 * 64 + 1 + 4] = "\x12\x34\1\0\0\1", *at = m + 12;

	for (int i = 0; i < 4; i++, at += 64) {
		*at = 63;
		memset(at + 1, 'a', 63);
	}
	TAP_OK(!dnsmsg_is_query(m, sizeof(m)), "a name of 257 bytes");
	m[12 + 3 * 64] = 61;
	m[12 + 3 * 64 + 62] = 0;
	TAP_OK(dnsmsg_is_query(m, sizeof(m) - 2), "a name of 255 bytes");
}

int main(void)
{
	test_long_name();
	test_queries();
	test_limits();
	test_shortened();
	return tap_done();
}
