/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codes are one table (errcodes.def). Messages and fields often quote what a stranger sent, and end
 * in JSON and in the journal: they are made harmless where they are stored, once for all callers.
 */
#include "proto/err.h"

#include <stdarg.h>

static const struct {
	const char *wire;
	int http;
	const char *sentence;
} codes[] = {
#define X(name, wire, http, sentence) [ERR_##name] = { wire, http, sentence },
#include "proto/errcodes.def"
#undef X
};
static_assert(countof(codes) == ERR_COUNT, "every code has its row");

/* U+2028 to U+202E and U+2066 to U+2069: they end a line, or have what stands behind them on it
 * shown from right to left (Unicode Standard Annex 9, 2). */
static bool upsets_line(const unsigned char *s)
{
	return s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
				       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Bytes of the well-formed UTF-8 sequence at @s; 0 when there is none (RFC 3629, section 4), or one
 * that is not for a line. */
static size_t sequence(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_low, second_high, size;
	} forms[] = {
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 },
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 0; i < countof(forms); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (s[1] < forms[i].second_low || s[1] > forms[i].second_high)
			return 0;
		for (n = 2; n < forms[i].size; n++)
			if ((s[n] & 0xc0) != 0x80)
				return 0;
		return upsets_line(s) ? 0 : n;
	}
	return 0;
}

void err_clean(char *s)
{
	size_t n;

	for (; *s; s += n) {
		n = sequence((const unsigned char *)s);
		if (n == 0) {
			*s = '?';
			n = 1;
		}
	}
}

void err_copy(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
	err_clean(to);
}

int err_set(struct err *err, int r, enum errcode code, const char *field, const char *fmt, ...)
{
	va_list ap;

	assert(r < 0);
	if (!err)
		return r;
	*err = (struct err){ .code = code, .errnum = -r };
	if (field)
		err_copy(err->field, sizeof(err->field), field);
	va_start(ap, fmt);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	err_clean(err->message);
	return r;
}

int err_add(struct err *err, int r, const char *fmt, ...)
{
	char old[sizeof(err->message)];
	size_t n, room = sizeof(old);
	va_list ap;

	assert(r < 0);
	if (!err)
		return r;
	memcpy(old, err->message, room);
	va_start(ap, fmt);
	(void)vsnprintf(err->message, room - 2, fmt, ap);
	va_end(ap);
	n = strlen(err->message);
	memcpy(err->message + n, ": ", 3);
	n += 2;
	memcpy(err->message + n, old, MIN_OF(strlen(old) + 1, room - n));
	err->message[room - 1] = '\0';
	err_clean(err->message);
	return r;
}

const char *err_wire(enum errcode code)
{
	return codes[code].wire;
}

int err_http(enum errcode code)
{
	return codes[code].http;
}

const char *err_sentence(enum errcode code)
{
	return codes[code].sentence;
}

enum errcode err_from_wire(const char *wire)
{
	for (size_t i = 1; i < ERR_COUNT; i++)
		if (strcmp(codes[i].wire, wire) == 0)
			return (enum errcode)i;
	return ERR_NONE;
}
