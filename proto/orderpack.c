/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/orderpack.h"

#include "proto/frame.h"

#define LENGTH_SIZE 4

static void append(struct orderpack *p, const void *data, size_t size)
{
	if (p->size + size > p->allocated) {
		p->allocated = MAX_OF(p->allocated * 2, p->size + size);
		p->data = xrealloc(p->data, p->allocated, 1);
	}
	if (size > 0)
		memcpy(p->data + p->size, data, size);
	p->size += size;
}

int orderpack_add(struct orderpack *p, const void *envelope, size_t size)
{
	uint8_t length[LENGTH_SIZE] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
		(uint8_t)(size >> 24) };

	if (size > FRAME_PAYLOAD_MAX || p->size + LENGTH_SIZE + size > FRAME_PAYLOAD_MAX)
		return -EMSGSIZE;
	append(p, length, sizeof(length));
	append(p, envelope, size);
	return 0;
}

void orderpack_done(struct orderpack *p)
{
	free(p->data);
	*p = (struct orderpack){};
}

static uint32_t read_length(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int orderpack_each(const void *data, size_t size, uint64_t n,
	void (*each)(const void *envelope, size_t size, void *userdata), void *userdata)
{
	const uint8_t *p = data;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t length;

		if (size < LENGTH_SIZE)
			return -EBADMSG;
		length = read_length(p);
		p += LENGTH_SIZE;
		size -= LENGTH_SIZE;
		if (length > size)
			return -EBADMSG;
		each(p, length, userdata);
		p += length;
		size -= length;
	}
	return size == 0 ? 0 : -EBADMSG;
}
