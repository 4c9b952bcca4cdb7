/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file with a block of ours among lines that are not, looked at without storage/block. */
#pragma once

#include "proto/base.h"
#include "storage/block.h"

/* The file's bytes without the block; the caller's. */
static inline char *block_rest(const uint8_t *data, size_t size, size_t *ret_size)
{
	static const char begin[] = BLOCK_BEGIN "\n", end[] = BLOCK_END;
	char *rest = xcalloc(size + 1, 1);
	bool inside = false;
	size_t n = 0, len;

	for (size_t at = 0; at < size; at += len) {
		const uint8_t *newline = memchr(data + at, '\n', size - at);

		len = newline ? (size_t)(newline - (data + at)) + 1 : size - at;
		if (len == sizeof(begin) - 1 && memcmp(data + at, begin, len) == 0)
			inside = true;
		if (!inside) {
			memcpy(rest + n, data + at, len);
			n += len;
		}
		if (len - (newline != NULL) == sizeof(end) - 1 &&
			memcmp(data + at, end, sizeof(end) - 1) == 0)
			inside = false;
	}
	*ret_size = n;
	return rest;
}

/* Lines that are not ours are the same, but for a newline that a last line may have been given. */
static inline void block_assert_rest(
	const void *old, size_t old_size, const void *text, size_t size)
{
	size_t n, m;
	_cleanup_(freep) char *before = block_rest(old, old_size, &n),
			      *after = block_rest(text, size, &m);

	assert(n == m || (m == n + 1 && after[n] == '\n'));
	assert(memcmp(before, after, n) == 0);
}
