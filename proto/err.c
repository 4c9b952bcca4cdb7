/* SPDX-License-Identifier: GPL-2.0-or-later */
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

int err_set(struct err *err, int r, enum errcode code, const char *field, const char *fmt, ...)
{
	va_list ap;

	assert(r < 0);
	if (!err)
		return r;
	*err = (struct err){ .code = code, .errnum = -r };
	if (field)
		(void)snprintf(err->field, sizeof(err->field), "%s", field);
	va_start(ap, fmt);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return r;
}

int err_add(struct err *err, int r, const char *fmt, ...)
{
	char message[sizeof(err->message)];
	va_list ap;
	int n;

	assert(r < 0);
	if (!err)
		return r;
	va_start(ap, fmt);
	n = vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(message))
		(void)snprintf(message + n, sizeof(message) - (size_t)n, ": %s", err->message);
	memcpy(err->message, message, sizeof(message));
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
