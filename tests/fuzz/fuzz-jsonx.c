/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON under our limits: jansson reads whatever we let through or we say why not; what is read is
 * written to a text that means the same, and that is the same again when it is read. */
#include "proto/jsonx.h"
#include "tests/fuzz/fuzz.h"

#define DEPTH_LOW  4
#define VALUES_LOW 16

/* As deep as it really is. */
static unsigned depth_of(const json_t *v)
{
	unsigned deepest = 0;
	const char *key;
	json_t *below;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)v, key, below)
		deepest = MAX_OF(deepest, depth_of(below));
	json_array_foreach((json_t *)(uintptr_t)v, i, below)
		deepest = MAX_OF(deepest, depth_of(below));
	return deepest + (json_is_object(v) || json_is_array(v));
}

static size_t values_of(const json_t *v)
{
	size_t n = 1, i;
	const char *key;
	json_t *below;

	json_object_foreach((json_t *)(uintptr_t)v, key, below)
		n += values_of(below);
	json_array_foreach((json_t *)(uintptr_t)v, i, below)
		n += values_of(below);
	return n;
}

/* Each getter gives what is there, within its bounds, or says which member is at fault. */
static void check_getters(const json_t *v)
{
	const char *key, *text;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		struct err err = {};
		int64_t n = -1;
		bool is;

		if (jsonx_int(v, key, true, 0, 99, &n, ERR_CHANNEL, &err) == 0)
			assert(n == json_integer_value(member) && n >= 0 && n <= 99);
		else if (jsonx_string(v, key, true, &text, ERR_CHANNEL, &err) == 0)
			assert(text == json_string_value(member));
		else if (jsonx_bool(v, key, true, &is, ERR_CHANNEL, &err) == 0)
			assert(is == json_is_true(member));
		else
			assert(err.code == ERR_CHANNEL && *err.message);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *v = NULL, *again = NULL;
	_cleanup_(freep) char *text = NULL, *two = NULL;
	struct err err = {};

	if (jsonx_parse(data, size, ERR_CHANNEL, &v, &err) < 0) {
		assert(err.code == ERR_CHANNEL && *err.message && !v);
		return 0;
	}
	assert(depth_of(v) <= JSONX_DEPTH_MAX);
	if (jsonx_is_within(data, size, DEPTH_LOW, VALUES_LOW)) /* a bound that holds */
		assert(depth_of(v) <= DEPTH_LOW && values_of(v) <= 2 * VALUES_LOW + 1);
	check_getters(v);
	text = jsonx_canonical(v);
	if (jsonx_parse(text, strlen(text), ERR_CHANNEL, &again, &err) < 0)
		abort();
	assert(json_equal(v, again));
	two = jsonx_canonical(again);
	assert(strcmp(text, two) == 0);
	return 0;
}
