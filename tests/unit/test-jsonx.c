/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits on JSON, and the typed getters. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "proto/jsonx.h"
#include "tests/unit/tap.h"

static bool parses(const char *s, size_t size)
{
	_cleanup_json_ json_t *v = NULL;
	struct err err = { 0 };
	int r = jsonx_parse(s, size, ERR_MALFORMED_ORDER, &v, &err);

	if (r < 0)
		TAP_NOTE("%s", err.message);
	return r == 0 && v && !err.code;
}

static bool refuses(const char *s, size_t size, const char *word)
{
	struct err err = { 0 };
	json_t *v = NULL;

	return jsonx_parse(s, size, ERR_MALFORMED_ORDER, &v, &err) == -EBADMSG && !v &&
	       err.code == ERR_MALFORMED_ORDER && strstr(err.message, word);
}

static void test_depth(void)
{
	char s[256];

	for (int depth = 31; depth <= 33; depth++) {
		memset(s, '[', (size_t)depth);
		memset(s + depth, ']', (size_t)depth);
		TAP_OK(parses(s, 2 * (size_t)depth) == (depth <= 32), "depth %d", depth);
	}
	TAP_OK(parses("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"", 42), "brackets in a string");
	TAP_OK(parses("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]", 42),
		"after an escaped quote");
	TAP_OK(!jsonx_is_within("[1,2,3]", 7, 9, 2) && jsonx_is_within("[1,2,3]", 7, 9, 3),
		"values are counted");
	TAP_OK(jsonx_is_within("]]]]]", 5, 1, 9) && jsonx_is_within("\"\\", 2, 1, 1),
		"a scan of rubbish ends");
}

#define S(s) (s), sizeof(s) - 1

static void test_parse(void)
{
	TAP_OK(parses(S("{\"a\":[1,2.5,\"\xc3\xa9\",null,true]}")), "a value");
	TAP_OK(parses(S(" \n{}\n ")), "white space around");
	TAP_OK(refuses(S("{\"a\":1,\"a\":1}"), "twice"), "a duplicate key");
	TAP_OK(refuses(S("{\"b\":{\"a\":1,\"\\u0061\":1}}"), "twice"), "one that is escaped");
	TAP_OK(refuses(S("{} x"), "after"), "trailing bytes");
	TAP_OK(refuses(S("{}{}"), "after"), "two values");
	TAP_OK(refuses(S("{}\0"), "line"), "a trailing NUL");
	TAP_OK(refuses(S("\"a\\u0000b\""), "NUL"), "an escaped NUL");
	TAP_OK(refuses(S("{\"a\\u0000b\":1}"), "NUL"), "one in a key");
	TAP_OK(refuses(S("\"a\0b\""), "line"), "a bare NUL");
	TAP_OK(refuses(S("\"\xff\""), "UTF-8"), "not UTF-8");
	TAP_OK(refuses(S("\"\xc0\xaf\""), "UTF-8"), "overlong UTF-8");
	TAP_OK(refuses(S("\"\xed\xa0\x80\""), "UTF-8"), "a surrogate in UTF-8");
	TAP_OK(refuses(S("\"\\ud800\""), "line"), "half an escaped pair");
	TAP_OK(refuses(S("99999999999999999999"), "range"), "an integer too big");
	TAP_OK(refuses(S("1e999"), "range"), "a number too big");
	TAP_OK(refuses(S("[{\"a\":[1.7976931348623157e308]}]"), "range"), "one, when written");
	TAP_OK(refuses(S(""), "early"), "nothing");
	TAP_OK(refuses(S("{\"secret\": tru"), "line") && !refuses(S("{\"secret\": tru"), "tru"),
		"the text is not quoted");
	TAP_OK(refuses(S("01"), "line") && refuses(S("NaN"), "line") && refuses(S("[1,]"), "line"),
		"not JSON");
}

static void test_getters(void)
{
	_cleanup_json_ json_t *v =
		json_pack("{s:s,s:i,s:b,s:n,s:f}", "s", "x", "i", 5, "b", 1, "n", "f", 1.0);
	struct err err = { 0 };
	const char *s = "before";
	int64_t i = 7;
	bool b = false;

	TAP_OK(jsonx_string(v, "s", true, &s, ERR_CONFIG, &err) == 0 && strcmp(s, "x") == 0,
		"string");
	TAP_OK(jsonx_int(v, "i", true, 1, 5, &i, ERR_CONFIG, &err) == 0 && i == 5, "int");
	TAP_OK(jsonx_bool(v, "b", true, &b, ERR_CONFIG, &err) == 0 && b, "bool");
	TAP_OK(jsonx_int(v, "zz", false, 1, 5, &i, ERR_CONFIG, &err) == 0 && i == 5, "absent");
	TAP_OK(jsonx_int(v, "n", false, 1, 5, &i, ERR_CONFIG, &err) == 0 && i == 5,
		"null is absent");
	TAP_OK(jsonx_string(v, "n", true, &s, ERR_CONFIG, &err) == -EINVAL &&
			err.code == ERR_CONFIG,
		"required");
	TAP_STREQ(err.field, "n", "and named");
	TAP_OK(jsonx_int(v, "i", true, 6, 9, &i, ERR_CONFIG, &err) == -EINVAL && i == 5,
		"too small");
	TAP_OK(jsonx_int(v, "i", true, 1, 4, &i, ERR_CONFIG, &err) == -EINVAL, "too big");
	TAP_OK(jsonx_int(v, "f", true, 0, 9, &i, ERR_CONFIG, &err) == -EINVAL, "1.0 is no integer");
	TAP_OK(jsonx_string(v, "i", false, &s, ERR_CONFIG, &err) == -EINVAL, "wrong type");
	TAP_OK(jsonx_bool(v, "i", false, &b, ERR_CONFIG, &err) == -EINVAL, "1 is not true");
}

enum fault { BAD_TEXT, BAD_FORMAT, NO_TEXT, NO_VALUE, BAD_MEMBER };

static const json_t *make(enum fault fault)
{
	static json_t *v;

	v = json_object();
	switch (fault) {
	case BAD_TEXT:
		return jsonx_pack("{s:s}", "a", "secret \xff");
	case BAD_FORMAT:
		return jsonx_pack("{s:s", "a", "secret");
	case NO_TEXT:
		return jsonx_pack("{s:s, s:s}", "a", "secret", "b", NULL);
	case NO_VALUE:
		jsonx_set(v, "a", NULL);
		break;
	case BAD_MEMBER:
		jsonx_set_string(v, "a", "secret \xff");
		break;
	}
	return json_object_get(v, "a");
}

/* It ends with an abort in a build for tests, and with null in any other. */
static void test_fault(enum fault fault, const char *what)
{
	char said[4096] = "";
	int fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	assert(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		_exit(json_is_null(make(fault)) ? 0 : 2);
	}
	(void)close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	(void)close(fds[0]);
	TAP_OK(pid > 0 && waitpid(pid, &status, 0) == pid && n > 0, "%s: it is told", what);
#ifdef __SANITIZE_ADDRESS__
	TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: aborts", what);
#else
	TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: null", what);
#endif
	TAP_OK(strstr(said, "test-jsonx.c:") && !strstr(said, "secret"), "%s: by its place", what);
}

static void test_made(void)
{
	_cleanup_json_ json_t *v = jsonx_pack("{s:i}", "n", 1);
	_cleanup_(freep) char *text = NULL;

	jsonx_set_string(v, "s", "x");
	jsonx_set_string(v, "none", NULL);
	jsonx_set_int(v, "n", INT64_MAX);
	jsonx_set_bool(v, "b", true);
	jsonx_set_real(v, "f", 0.5);
	text = jsonx_canonical(v);
	TAP_STREQ(text,
		"{\"b\":true,\"f\":0.5,\"n\":9223372036854775807,\"none\":null,\"s\":\"x\"}",
		"members are set");
	test_fault(BAD_TEXT, "text that is no UTF-8");
	test_fault(BAD_FORMAT, "a format without its end");
	test_fault(NO_TEXT, "NULL for a text");
	test_fault(NO_VALUE, "no value for a member");
	test_fault(BAD_MEMBER, "a member that is no UTF-8");
}

/* An allocation that can't be had: no program goes on with what jansson makes of it. */
static void test_memory(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)close(STDERR_FILENO); /* a sanitizer has its say about it */
		jsonx_init();
		_exit(json_stringn_nocheck("x", SIZE_MAX / 4) ? 2 : 0);
	}
	TAP_OK(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
	TAP_OK(WIFSIGNALED(status) || WEXITSTATUS(status) == 1, "which doesn't outlive it");
}

/* What is written says what was read. */
static void test_round_trip(void)
{
	_cleanup_json_ json_t *v = NULL, *again = NULL;
	_cleanup_(freep) char *text = NULL;
	struct err err = { 0 };
	const char said[] = "[{\"a\":2.5888888888888888888},0.1,5e-324,1.79769313486231e308,1e22]";

	TAP_OK(jsonx_parse(S(said), ERR_CONFIG, &v, &err) == 0, "more digits than are kept");
	text = jsonx_dump(v);
	TAP_OK(jsonx_parse(text, strlen(text), ERR_CONFIG, &again, &err) == 0, "%s", text);
	TAP_OK(json_equal(v, again), "what is written is read as the same");
}

/* As people write them. */
static void test_numbers(void)
{
	static const struct {
		double value;
		const char *text;
	} numbers[] = { { 0.2, "0.2" }, { 2.4, "2.4" }, { 2, "2" }, { 0, "0" }, { -0.5, "-0.5" },
		{ 0.1 + 0.2, "0.3" }, { 1e300, "1e300" },
		{ 9007199254740991.0, "9007199254740991" } };

	for (size_t i = 0; i < countof(numbers); i++) {
		_cleanup_json_ json_t *v = jsonx_number(numbers[i].value);
		_cleanup_(freep) char *text = jsonx_dump(v);

		TAP_STREQ(text, numbers[i].text, "%s", numbers[i].text);
	}
}

static void test_read(void)
{
	_cleanup_(closep) int fd = memfd_create("text", MFD_CLOEXEC);
	_cleanup_json_ json_t *none = jsonx_read(fd), *whole = NULL, *rest = NULL;

	TAP_OK(!none, "an empty file is no JSON");
	TAP_OK(write_all(fd, "[1]{\"a\": 2}", 11) == 0 && lseek(fd, 3, SEEK_SET) == 3, "a file");
	rest = jsonx_read(fd);
	TAP_EQ(json_integer_value(json_object_get(rest, "a")), 2, "it is read from here on");
	TAP_OK(lseek(fd, 0, SEEK_SET) == 0, "from the start");
	whole = jsonx_read(fd);
	TAP_OK(!whole, "two values are no JSON");
	TAP_OK(!jsonx_read(-1), "and no file is none");
}

int main(void)
{
	_cleanup_(freep) char *one = NULL, *two = NULL, *plain = NULL;
	_cleanup_json_ json_t *a = json_pack("{s:i,s:i}", "b", 1, "a", 2);
	_cleanup_json_ json_t *b = json_pack("{s:i,s:i}", "a", 2, "b", 1);

	test_depth();
	test_parse();
	test_getters();
	test_made();
	test_memory();
	test_read();
	one = jsonx_canonical(a);
	two = jsonx_canonical(b);
	plain = jsonx_dump(a);
	TAP_STREQ(one, "{\"a\":2,\"b\":1}", "canonical");
	TAP_STREQ(two, one, "whatever the order was");
	TAP_STREQ(plain, "{\"b\":1,\"a\":2}", "plain keeps the order");
	test_round_trip();
	test_numbers();
	return tap_done();
}
