/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hex and base64 (RFC 4648) by table. There is one text for a value and one value for a text: mixed
 * alphabets, white space, wrong padding and stray bits in the last character are refused, so that
 * nothing can be said twice in different bytes. Not constant-time: no secret comes through here. */
#include "proto/encoding.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void encoding_hex(const void *data, size_t size, char *ret)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++) {
		ret[2 * i] = hex_digits[p[i] >> 4];
		ret[2 * i + 1] = hex_digits[p[i] & 15];
	}
	ret[2 * size] = '\0';
}

static int hex_value(char c, bool any_case)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (any_case && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int encoding_unhex(const char *s, void *ret, size_t size, bool any_case)
{
	uint8_t *p = ret;
	unsigned high, low;

	if (strnlen(s, 2 * size + 1) != 2 * size)
		return -EINVAL;
	for (size_t i = 0; i < 2 * size; i++)
		if (hex_value(s[i], any_case) < 0)
			return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		high = (unsigned)hex_value(s[2 * i], any_case);
		low = (unsigned)hex_value(s[2 * i + 1], any_case);
		p[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

size_t encoding_base64_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

void encoding_base64_put(const void *data, size_t size, char *ret)
{
	const uint8_t *p = data;
	uint32_t v;

	for (; size >= 3; size -= 3, p += 3, ret += 4) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		ret[0] = base64_digits[v >> 18];
		ret[1] = base64_digits[v >> 12 & 63];
		ret[2] = base64_digits[v >> 6 & 63];
		ret[3] = base64_digits[v & 63];
	}
	if (size > 0) {
		v = (uint32_t)p[0] << 16 | (size > 1 ? (uint32_t)p[1] << 8 : 0);
		ret[0] = base64_digits[v >> 18];
		ret[1] = base64_digits[v >> 12 & 63];
		ret[2] = size > 1 ? base64_digits[v >> 6 & 63] : '=';
		ret[3] = '=';
	}
}

char *encoding_base64(const void *data, size_t size)
{
	size_t len = encoding_base64_size(size);
	char *s = xcalloc(len + 1, 1);

	encoding_base64_put(data, size, s);
	return s;
}

/* What a character stands for, and which alphabets have it. */
#define STANDARD 0x40
#define URL_SAFE 0x80
#define BOTH     (STANDARD | URL_SAFE)

static uint8_t digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(BOTH | (c - 'A'));
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(BOTH | (c - 'a' + 26));
	if (c >= '0' && c <= '9')
		return (uint8_t)(BOTH | (c - '0' + 52));
	switch (c) {
	case '+':
		return STANDARD | 62;
	case '/':
		return STANDARD | 63;
	case '-':
		return URL_SAFE | 62;
	case '_':
		return URL_SAFE | 63;
	default:
		return 0;
	}
}

/* Take off right padding. False when there is some and it isn't what the length asks for. */
static bool strip_padding(const char *s, size_t *len)
{
	size_t pad = 0;

	while (pad < 2 && pad < *len && s[*len - 1 - pad] == '=')
		pad++;
	if (pad > 0 && *len % 4 != 0)
		return false;
	*len -= pad;
	return *len % 4 != 1;
}

int encoding_unbase64(const char *s, size_t len, uint8_t **ret, size_t *ret_size)
{
	_cleanup_(freep) uint8_t *data = NULL;
	uint8_t alphabets = BOTH, v;
	unsigned bits = 0;
	uint32_t acc = 0;
	size_t n = 0;

	if (!strip_padding(s, &len))
		return -EINVAL;
	data = xcalloc(len / 4 * 3 + 3, 1);
	for (size_t i = 0; i < len; i++) {
		v = digit_value((uint8_t)s[i]);
		alphabets &= v;
		acc = (acc & 0xff) << 6 | (v & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			data[n++] = (uint8_t)(acc >> bits);
		}
	}
	/* a character of neither alphabet, or of one each, leaves no alphabet that has them all */
	if (!alphabets || (acc & ((1U << bits) - 1)) != 0)
		return -EINVAL;
	*ret = TAKE(data);
	*ret_size = n;
	return 0;
}
