/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The courier's ORDERS as the agent reads them: what is taken apart is put together to the same
 * bytes, and no envelope reaches beyond what came. */
#include "proto/orderpack.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	struct orderpack again;
	uint64_t n;
};

static void take(const void *envelope, size_t size, void *userdata)
{
	struct seen *s = userdata;

	s->n++;
	if (orderpack_add(&s->again, envelope, size) < 0)
		abort(); /* it came in one frame */
}

/* The first byte is the count that the frame claims. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = {};
	int r;

	if (size == 0)
		return 0;
	r = orderpack_each(data + 1, size - 1, data[0], take, &s);
	assert(s.n <= data[0] && s.again.size <= size - 1);
	assert(s.again.size == 0 || memcmp(s.again.data, data + 1, s.again.size) == 0);
	assert((r == 0) == (s.n == data[0] && s.again.size == size - 1));
	orderpack_done(&s.again);
	return 0;
}
