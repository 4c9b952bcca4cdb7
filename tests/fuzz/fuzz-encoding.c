/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hex and base64: there is one way to write any bytes, and one reading of what is accepted. */
#include "proto/encoding.h"
#include "tests/fuzz/fuzz.h"

/* Bytes to text and back. */
static void write_and_read(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *base64 = encoding_base64(data, size),
			      *hex = xcalloc(2 * size + 1, 1);
	_cleanup_(freep) uint8_t *bytes = NULL, *unhexed = xcalloc(size + 1, 1);
	size_t n;

	assert(strlen(base64) == encoding_base64_size(size));
	if (encoding_unbase64(base64, strlen(base64), &bytes, &n) < 0)
		abort();
	assert(n == size && (n == 0 || memcmp(bytes, data, n) == 0));
	encoding_hex(data, size, hex);
	if (encoding_unhex(hex, unhexed, size, false) < 0)
		abort();
	assert(size == 0 || memcmp(unhexed, data, size) == 0);
}

/* Text to bytes, and back to the same text but for alphabet and padding. */
static void read_and_write(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size), *again = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t n, len = strlen(text);

	if (encoding_unbase64(text, len, &bytes, &n) < 0)
		return;
	again = encoding_base64(bytes, n);
	for (size_t i = 0; i < len; i++)
		text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	assert(strncmp(text, again, len) == 0);
	assert(again[len + strspn(again + len, "=")] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	write_and_read(data, size);
	read_and_write(data, size);
	return 0;
}
