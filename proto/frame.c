/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/frame.h"

#define MAGIC 0x4d524648u /* "HFRM" */

static void put(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void frame_build(const struct frame *f, uint8_t ret[static FRAME_SIZE])
{
	assert(f->size <= FRAME_PAYLOAD_MAX);
	memset(ret, 0, FRAME_SIZE);
	put(ret, MAGIC, 4);
	put(ret + 4, FRAME_VERSION, 2);
	put(ret + 6, f->type, 2);
	put(ret + 8, f->flags, 4);
	put(ret + 16, f->id, 8);
	put(ret + 24, f->a, 8);
	put(ret + 32, f->b, 8);
	put(ret + 40, f->c, 8);
	put(ret + 48, f->size, 8);
}

int frame_read(const uint8_t *bytes, size_t size, struct frame *ret)
{
	if (size != FRAME_SIZE || get(bytes, 4) != MAGIC || get(bytes + 4, 2) != FRAME_VERSION)
		return -EBADMSG;
	if (get(bytes + 8, 4) != 0 || get(bytes + 12, 4) != 0 || get(bytes + 56, 8) != 0 || get(bytes + 48, 8) > FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	*ret = (struct frame){
		.type = (uint16_t)get(bytes + 6, 2),
		.id = get(bytes + 16, 8),
		.a = get(bytes + 24, 8),
		.b = get(bytes + 32, 8),
		.c = get(bytes + 40, 8),
		.size = get(bytes + 48, 8),
	};
	return 0;
}
