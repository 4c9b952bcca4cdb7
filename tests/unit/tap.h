/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test Anything Protocol for unit tests: one line per check, the plan at the end.
 *
 * A test program calls TAP_OK() and its like from one process, and returns tap_done() from main.
 * A check that fails says where it stands and goes on, so that one run shows every failure; code
 * that can't go on after a failure returns or calls TAP_BAIL(). Each check evaluates to its
 * outcome. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	unsigned run, failed;
} tap;

/* What a deadline is multiplied by: HOODY_TEST_SLOW, or 1. */
__attribute__((unused)) static inline unsigned tap_slow(void)
{
	const char *s = getenv("HOODY_TEST_SLOW");
	unsigned long n = s ? strtoul(s, NULL, 10) : 1;

	return n > 1 ? (unsigned)n : 1;
}

/* Make the check, name it as with printf: TAP_OK(r == 0, "case %d", i) */
#define TAP_OK(cond, ...) tap_check((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)

/* Equality of integers (as long long) and of strings (NULL equals only NULL), shown when it fails.
 */
#define TAP_EQ(got, want, ...) \
	tap_eq((long long)(got), (long long)(want), __FILE__, __LINE__, __VA_ARGS__)
#define TAP_STREQ(got, want, ...) tap_streq((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* Count as passed what can't be tested here; the reason is shown: TAP_SKIP("needs root") */
#define TAP_SKIP(...) tap_skip(__VA_ARGS__)

/* Leave the whole test program out: the reason stands in the plan. */
#define TAP_SKIP_ALL(...)                           \
	do {                                        \
		printf("1..0 # SKIP " __VA_ARGS__); \
		printf("\n");                       \
		exit(0);                            \
	} while (0)

/* Stop at once: what follows would make no sense. */
#define TAP_BAIL(...)                             \
	do {                                      \
		printf("Bail out! " __VA_ARGS__); \
		printf("\n");                     \
		exit(1);                          \
	} while (0)

/* A remark in the log: TAP_NOTE("%u flips tried", n) */
#define TAP_NOTE(...)                     \
	do {                              \
		printf("# " __VA_ARGS__); \
		printf("\n");             \
	} while (0)

__attribute__((unused, format(printf, 3, 0))) static inline void tap_line(
	bool ok, const char *directive, const char *fmt, va_list ap)
{
	char name[256];

	(void)vsnprintf(name, sizeof(name), fmt, ap);
	for (char *c = name; *c; c++) /* one line, and no directive by accident */
		if (*c == '\n' || *c == '#' || *c == '\r')
			*c = '_';
	printf("%sok %u - %s%s\n", ok ? "" : "not ", ++tap.run, name, directive);
	if (!ok)
		tap.failed++;
	(void)fflush(stdout); /* a crash must not swallow what was found */
}

__attribute__((unused, format(printf, 5, 6))) static inline bool tap_check(
	bool ok, const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(ok, "", fmt, ap);
	va_end(ap);
	if (!ok)
		printf("#   %s:%d: %s\n", file, line, what);
	return ok;
}

__attribute__((unused, format(printf, 5, 6))) static inline bool tap_eq(
	long long got, long long want, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(got == want, "", fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#   %s:%d: got %lld, want %lld\n", file, line, got, want);
	return got == want;
}

__attribute__((unused, format(printf, 5, 6))) static inline bool tap_streq(
	const char *got, const char *want, const char *file, int line, const char *fmt, ...)
{
	bool same = got == want || (got && want && strcmp(got, want) == 0);
	va_list ap;

	va_start(ap, fmt);
	tap_line(same, "", fmt, ap);
	va_end(ap);
	if (!same)
		printf("#   %s:%d: got \"%s\", want \"%s\"\n", file, line, got ? got : "(null)",
			want ? want : "(null)");
	return same;
}

__attribute__((unused, format(printf, 1, 2))) static inline void tap_skip(const char *fmt, ...)
{
	va_list ap;
	char reason[256];

	va_start(ap, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	printf("ok %u # SKIP %s\n", ++tap.run, reason);
}

/* Print the plan; the program's exit status. A test that checked nothing has failed. */
__attribute__((unused)) static inline int tap_done(void)
{
	printf("1..%u\n", tap.run);
	if (tap.failed)
		printf("# %u of %u failed\n", tap.failed, tap.run);
	return tap.failed || !tap.run ? 1 : 0;
}
