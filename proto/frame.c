/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame's 64 bytes, field by field at fixed offsets: no struct is ever laid over foreign
 * memory. A flag that is not known here is refused, as a version is. */
#include "proto/frame.h"

static const uint8_t magic[4] = { 'H', 'F', 'R', 'M' };

enum {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_TYPE = 6,
	AT_FLAGS = 8,
	AT_RESERVED32 = 12,
	AT_ID = 16,
	AT_A = 24,
	AT_B = 32,
	AT_C = 40,
	AT_SIZE = 48,
	AT_RESERVED64 = 56,
};
static_assert(AT_RESERVED64 + 8 == FRAME_SIZE, "the fields fill the frame");

static void put(uint8_t *at, uint64_t v, size_t width)
{
	for (size_t i = 0; i < width; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *at, size_t width)
{
	uint64_t v = 0;

	for (size_t i = 0; i < width; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

void frame_build(const struct frame *f, uint8_t ret[static FRAME_SIZE])
{
	assert(f->size <= FRAME_PAYLOAD_MAX);
	memset(ret, 0, FRAME_SIZE);
	memcpy(ret + AT_MAGIC, magic, sizeof(magic));
	put(ret + AT_VERSION, FRAME_VERSION, 2);
	put(ret + AT_TYPE, f->type, 2);
	put(ret + AT_FLAGS, f->flags, 4);
	put(ret + AT_ID, f->id, 8);
	put(ret + AT_A, f->a, 8);
	put(ret + AT_B, f->b, 8);
	put(ret + AT_C, f->c, 8);
	put(ret + AT_SIZE, f->size, 8);
}

int frame_read(const uint8_t *bytes, size_t size, struct frame *ret)
{
	if (size != FRAME_SIZE || memcmp(bytes + AT_MAGIC, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (get(bytes + AT_VERSION, 2) != FRAME_VERSION || get(bytes + AT_FLAGS, 4) != 0 ||
		get(bytes + AT_RESERVED32, 4) != 0 || get(bytes + AT_RESERVED64, 8) != 0 ||
		get(bytes + AT_SIZE, 8) > FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	*ret = (struct frame){
		.type = (uint16_t)get(bytes + AT_TYPE, 2),
		.id = get(bytes + AT_ID, 8),
		.a = get(bytes + AT_A, 8),
		.b = get(bytes + AT_B, 8),
		.c = get(bytes + AT_C, 8),
		.size = get(bytes + AT_SIZE, 8),
	};
	return 0;
}
