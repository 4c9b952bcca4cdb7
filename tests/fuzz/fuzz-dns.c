/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages of a container and of whoever answers it: what is passed on is one question; what we
 * make of a message is a whole one, no longer than a client without EDNS takes, and says what it
 * should. */
#include "netns/dnsmsg.h"
#include "tests/fuzz/fuzz.h"

#define ID    0x1234
#define QR    0x80
#define TC    0x02
#define RCODE 0x0f

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = xcalloc(size, 1);

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The question alone, as it was. */
static void check_made(const uint8_t *m, size_t n, const uint8_t *was, size_t was_size)
{
	assert(n >= DNSMSG_HEADER + 5 && n <= was_size && n <= DNSMSG_UDP_PLAIN);
	assert(m[4] == 0 && m[5] == 1);
	for (size_t i = 6; i < DNSMSG_HEADER; i++)
		assert(m[i] == 0);
	assert(memcmp(m, was, 2) == 0);
	assert(memcmp(m + DNSMSG_HEADER, was + DNSMSG_HEADER, n - DNSMSG_HEADER) == 0);
}

static void check_query(const uint8_t *data, size_t size)
{
	_cleanup_(freep) uint8_t *failed = copy_of(data, size);
	size_t n;

	assert(size >= DNSMSG_HEADER + 5 && !(data[2] & QR));
	n = dnsmsg_fail(failed, size);
	check_made(failed, n, data, size);
	assert((failed[2] & QR) && (failed[3] & RCODE) == 2);
	assert(!dnsmsg_is_query(failed, n)); /* or it could go round */
	dnsmsg_set_id(failed, ID);
	assert(dnsmsg_id(failed) == ID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) uint8_t *cut = copy_of(data, size);
	size_t n, limit = dnsmsg_udp_limit(data, size);

	assert(limit >= DNSMSG_UDP_PLAIN && limit <= DNSMSG_MAX);
	if (dnsmsg_is_query(data, size))
		check_query(data, size);
	n = dnsmsg_truncate(cut, size);
	if (n == 0)
		return 0;
	check_made(cut, n, data, size);
	assert(cut[2] & TC);
	return 0;
}
