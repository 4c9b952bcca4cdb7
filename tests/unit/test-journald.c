/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rate limit, the lines on stderr, and the catalog. */
#include "agent/common/journald.h"

#include "tests/unit/tap.h"

static void test_limit(void)
{
	struct journald_limit l = { .burst = 3, .interval_ms = 1000 };
	uint64_t dropped = 99;
	int passed = 0;

	for (int i = 0; i < 10; i++)
		passed += journald_limit_pass(&l, 5000, &dropped);
	TAP_EQ(passed, 3, "a burst");
	TAP_EQ(dropped, 0, "nothing dropped before it");
	TAP_OK(!journald_limit_pass(&l, 5999, &dropped), "not yet");
	TAP_OK(journald_limit_pass(&l, 6000, &dropped), "one per interval");
	TAP_EQ(dropped, 8, "and what was dropped");
	TAP_OK(!journald_limit_pass(&l, 6001, &dropped), "only one");
	TAP_OK(!journald_limit_pass(&l, 100, &dropped), "a clock set back gives nothing");
	TAP_OK(journald_limit_pass(&l, 1100, &dropped), "but does not block");
	TAP_EQ(dropped, 2, "dropped since");
	passed = 0;
	for (int i = 0; i < 10; i++)
		passed += journald_limit_pass(&l, 1000000, &dropped);
	TAP_EQ(passed, 3, "no more than a burst is saved up");
	passed = 0;
	for (int64_t t = 2000000; t < 2100000; t += 10)
		passed += journald_limit_pass(&l, t, &dropped);
	TAP_OK(passed >= 100 && passed <= 103, "the rate over 100 s: %d", passed);
}

/* What journald_log() writes to stderr. */
static void capture(char *ret, size_t size, void (*log)(void))
{
	int saved = dup(STDERR_FILENO);
	FILE *f = tmpfile();
	size_t n;

	if (!f || saved < 0 || dup2(fileno(f), STDERR_FILENO) < 0)
		TAP_BAIL("no file");
	log();
	(void)fflush(stderr);
	(void)dup2(saved, STDERR_FILENO);
	closefd(saved);
	rewind(f);
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	(void)fclose(f);
}

static void log_fields(void)
{
	struct err err = { .code = ERR_EXPIRED, .errnum = EINVAL };
	int64_t zero = 0;

	LOG(LOG_WARNING, ORDER_FAILED,
		FIELDS(.order_id = "o", .seq = 7, .op = "container.start", .step = "", .err = &err,
			.duration_ms = &zero),
		"Order %s failed", "o");
}

static void log_nothing(void)
{
	LOG(LOG_DEBUG, ORDER_FAILED, NO_FIELDS, "not at this level");
}

static void log_hostile(void)
{
	LOG(LOG_ERR, ORDER_FAILED, FIELDS(.order_id = "x\n<0>forged"), "a\nforged line \033[31m");
}

static void log_large(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	LOG(LOG_ERR, ORDER_FAILED, FIELDS(.order_id = text, .op = text, .seq = 1), "%s", text);
}

static void test_stderr(void)
{
	char text[16384];

	journald_init("test", LOG_INFO);
	capture(text, sizeof(text), log_fields);
	TAP_STREQ(text,
		"test: warning: Order o failed [order_id=o seq=7 op=container.start code=expired "
		"duration_ms=0 errno=22]\n",
		"a line with fields");
	capture(text, sizeof(text), log_nothing);
	TAP_STREQ(text, "", "below the level");
	capture(text, sizeof(text), log_hostile);
	TAP_STREQ(text, "test: error: a?forged line ?[31m [order_id=x?<0>forged]\n",
		"control characters");
	capture(text, sizeof(text), log_large);
	TAP_OK(strlen(text) > 2000 && strchr(text, '\n') == text + strlen(text) - 1,
		"a large one is one line of %zu", strlen(text));
}

static void test_ids(void)
{
	static const char *const hex[] = {
#define X(name_, hex_, subject_, text_) hex_,
#include "agent/common/journald.def"
#undef X
	};

	static_assert(countof(hex) == JOURNALD_COUNT, "all of them");
	for (size_t i = 0; i < JOURNALD_COUNT; i++) {
		TAP_OK(strlen(hex[i]) == 32 && strspn(hex[i], "0123456789abcdef") == 32,
			"id %zu is one", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(hex[i], hex[k]) == 0)
				TAP_OK(false, "ids %zu and %zu are the same", i, k);
	}
}

static void test_catalog(void)
{
	const char *top = getenv("top_srcdir");
	_cleanup_(freep) char *path =
		xasprintf("%s/packaging/hoody-agent.catalog", top ? top : ".");
	_cleanup_(freep) char *want = NULL, *have = xcalloc(65536, 1);
	size_t size = 0;
	FILE *f = fopen(path, "re"), *m = open_memstream(&want, &size);

	if (!f || !m)
		TAP_BAIL("can't open %s", path);
	TAP_OK(fread(have, 1, 65535, f) > 0, "read the catalog");
	(void)fclose(f);
	journald_print_catalog(m);
	(void)fclose(m);
	TAP_STREQ(have, want,
		"the catalog says what the list says (else make it anew: hoodyctl config)");
}

int main(void)
{
	test_limit();
	test_stderr();
	test_ids();
	test_catalog();
	return tap_done();
}
