/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames: what is read is written again to the same bytes. */
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[FRAME_SIZE];
	struct frame f;

	if (frame_read(data, size, &f) < 0)
		return 0;
	frame_build(&f, bytes);
	assert(size == FRAME_SIZE && memcmp(bytes, data, size) == 0);
	return 0;
}
