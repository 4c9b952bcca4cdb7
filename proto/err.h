/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error object: what a human or the API gets to see of a failure.
 *
 * A function that can fail returns 0 or a negative errno, which steers the program. Where somebody
 * will read of the failure it takes a last `struct err *` on its caller's stack: who first knows
 * fills it (err_set), callers only prefix (err_add). Success leaves it untouched. Nothing here
 * allocates, locks or logs; everything is safe from any context. */
#pragma once

#include "proto/base.h"

enum errcode {
#define X(name, wire, http, sentence) ERR_##name,
#include "proto/errcodes.def"
#undef X
	ERR_COUNT
};

struct err {
	enum errcode code;
	int errnum;      /* positive errno, 0 when there is none */
	char field[96];  /* first offending field, file or setting; empty when there is none */
	char reason[40]; /* the published code behind an invalid_params, e.g. RESERVED_ENV_PREFIX */
	char status[16]; /* the container's status behind an OPERATION_STATE_CONFLICT */
	int64_t have, may; /* behind a limit that is reached; may 0: there is none */
	char message[512]; /* one sentence for a human */
};

/* Fill @err (which may be NULL) and return @r, a negative errno. @field may be NULL. What is stored
 * is UTF-8 without control characters, whatever was put in and wherever it had to be cut: it goes
 * into reports and logs. */
int err_set(struct err *err, int r, enum errcode code, const char *field, const char *fmt, ...)
	_printf_(5, 6);

/* Put "prefix: " before the message and return @r. */
int err_add(struct err *err, int r, const char *fmt, ...) _printf_(3, 4);

/* Make a text fit for reports, logs and terminals: each byte that is not of printable UTF-8 (RFC
 * 3629), or of what would end or turn round the line that it stands in, becomes a question mark. */
void err_clean(char *s);
/* Put @text into one of an error's texts, @to of @size bytes: cut and made harmless as err_set
 * does. */
void err_copy(char *to, size_t size, const char *text);

/* The code's string on the wire, HTTP status, and general sentence. Never NULL. */
const char *err_wire(enum errcode code);
int err_http(enum errcode code);
const char *err_sentence(enum errcode code);

/* The code of that wire string, or ERR_NONE. */
enum errcode err_from_wire(const char *wire);
