/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzz target is one function. With --enable-fuzzing libFuzzer calls it; otherwise
 * tests/fuzz/replay.c gives it the kept corpus, as a part of make check. */
#pragma once

#include "proto/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as text: up to its first NUL, if it has one. The caller's. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = xcalloc(size + 1, 1);

	if (size > 0)
		memcpy(text, data, size);
	return text;
}

/* Two parts of an input: up to the first NUL, as text (the caller's), and what follows it. */
static inline char *fuzz_split(
	const uint8_t *data, size_t size, const uint8_t **ret_rest, size_t *ret_size)
{
	char *first = fuzz_text(data, size);
	size_t len = strlen(first) + 1;

	*ret_rest = len < size ? data + len : NULL;
	*ret_size = len < size ? size - len : 0;
	return first;
}
