/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/environment of a container, edited: whatever stood there, lines that are not ours stay as
 * they are to the byte, ours say what was asked, and to do it again changes nothing. The input: the
 * variables as JSON, a NUL, the file as it is. */
#include <sys/stat.h>

#include "proto/jsonx.h"
#include "proto/opfield.h"
#include "storage/block.h"
#include "storage/envfile.h"
#include "storage/rootfile.h"
#include "tests/fuzz/block.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

#define FILE_NAME "etc/environment"

/* What the parameters' check lets through. */
static bool is_possible(const json_t *vars)
{
	const char *name;
	json_t *v;

	if (!json_is_object(vars))
		return false;
	json_object_foreach((json_t *)(uintptr_t)vars, name, v)
		if (!opfield_env_key.is(name) || !json_is_string(v))
			return false;
	return true;
}

/* NAME=VALUE of the block's line, as pam_env(8) reads it: its quotes off. */
static bool says(const char *block, const char *name, const char *value)
{
	_cleanup_(freep) char *plain = xasprintf("%s=%s\n", name, value),
			      *quoted = xasprintf("%s=\"%s\"\n", name, value);
	size_t n = strlen(plain), q = strlen(quoted);

	for (const char *line = block; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, plain, n) == 0 || strncmp(line, quoted, q) == 0)
			return true;
	return false;
}

static void check_block(const char *text, const json_t *vars, enum envfile_error e)
{
	_cleanup_(freep) char *block = NULL;
	size_t lines = 0, said = 0;
	const char *name;
	json_t *v;

	if (block_read(text, &block) < 0)
		abort();
	for (const char *c = block; *c; c++)
		lines += *c == '\n';
	json_object_foreach((json_t *)(uintptr_t)vars, name, v)
		said += says(block, name, json_string_value(v));
	assert(lines == said);
	assert(e == ENVFILE_OK ? said == json_object_size(vars) : said < json_object_size(vars));
}

static enum envfile_error edit(const json_t *vars)
{
	char why[256];
	enum envfile_error e = envfile_write(scratch_open(), vars, why, sizeof(why));

	assert((e == ENVFILE_OK) == (*why == '\0'));
	assert((e == ENVFILE_OK) == (envfile_code(e) == NULL));
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *old;
	size_t old_size, n, again_size;
	_cleanup_(freep) char *json = fuzz_split(data, size, &old, &old_size), *text = NULL,
			      *again = NULL;
	_cleanup_json_ json_t *vars = NULL;
	enum envfile_error e;

	if (jsonx_parse(json, strlen(json), ERR_INVALID_PARAMS, &vars, NULL) < 0 ||
		!is_possible(vars))
		return 0;
	if (mkdirat(scratch_open(), "etc", 0755) < 0 && errno != EEXIST)
		abort();
	scratch_write(FILE_NAME, old, old_size);
	e = edit(vars);
	text = scratch_read(FILE_NAME, &n);
	if (e != ENVFILE_OK && e != ENVFILE_LEGACY_OVERFLOW && e != ENVFILE_UNREPRESENTABLE) {
		assert(n == old_size && (n == 0 || memcmp(text, old, n) == 0));
		return 0;
	}
	assert(n <= ROOTFILE_MAX);
	block_assert_rest(old, old_size, text, n);
	check_block(text, vars, e);
	assert(edit(vars) == e);
	again = scratch_read(FILE_NAME, &again_size);
	assert(again_size == n && memcmp(again, text, n) == 0);
	return 0;
}
