/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame: its bytes are fixed, and every byte that must have one value is held to it. */
#include "proto/frame.h"
#include "tests/unit/tap.h"

static const struct frame sample = {
	.type = FRAME_COURIER_POLL,
	.id = 0x1122334455667788,
	.a = 1,
	.b = UINT64_MAX,
	.c = 0x0102,
	.size = FRAME_PAYLOAD_MAX,
};

static bool same(const struct frame *a, const struct frame *b)
{
	return a->type == b->type && a->flags == b->flags && a->id == b->id && a->a == b->a &&
	       a->b == b->b && a->c == b->c && a->size == b->size;
}

static void test_sizes(const uint8_t *bytes)
{
	uint8_t longer[FRAME_SIZE + 1] = { 0 };
	struct frame f;

	memcpy(longer, bytes, FRAME_SIZE);
	TAP_EQ(frame_read(longer, FRAME_SIZE + 1, &f), -EBADMSG, "65 bytes");
	for (size_t n = 0; n < FRAME_SIZE; n++) {
		uint8_t *exact =
			malloc(n ? n : 1); /* so that the sanitizer sees a read behind it */

		memcpy(exact, bytes, n);
		TAP_EQ(frame_read(exact, n, &f), -EBADMSG, "%zu bytes", n);
		free(exact);
	}
}

/* Which bytes are free to be anything: type, id, a, b, c. */
static bool is_free(size_t i)
{
	return i == 6 || i == 7 || (i >= 16 && i < 48);
}

static void test_bits(const uint8_t *bytes)
{
	unsigned wrong = 0;
	uint8_t changed[FRAME_SIZE];
	struct frame f;

	for (size_t bit = 0; bit < 8 * FRAME_SIZE; bit++) {
		if (bit / 8 >= 48 && bit / 8 < 56)
			continue; /* size: tested by its bounds */
		memcpy(changed, bytes, FRAME_SIZE);
		changed[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		wrong += (frame_read(changed, FRAME_SIZE, &f) == 0) != is_free(bit / 8);
	}
	TAP_EQ(wrong, 0, "every bit of magic, version, flags and reserved fields is held");
}

int main(void)
{
	static const uint8_t want[FRAME_SIZE] = { 'H', 'F', 'R', 'M', 1, 0, 0x03, 0x01, 0, 0, 0, 0,
		0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 1, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x01, 0, 0, 0, 0, 0, 0, 0, 0,
		0x80, 0x01 };
	uint8_t bytes[FRAME_SIZE];
	struct frame f;

	frame_build(&sample, bytes);
	TAP_OK(memcmp(bytes, want, FRAME_SIZE) == 0, "the bytes are the ones documented");
	TAP_OK(frame_read(bytes, FRAME_SIZE, &f) == 0 && same(&f, &sample), "and come back");
	test_sizes(bytes);
	test_bits(bytes);
	bytes[48] = 1;
	TAP_EQ(frame_read(bytes, FRAME_SIZE, &f), -EBADMSG, "a payload one byte too large");
	memset(bytes + 48, 0xff, 8);
	TAP_EQ(frame_read(bytes, FRAME_SIZE, &f), -EBADMSG, "a payload of 2^64-1");
	return tap_done();
}
