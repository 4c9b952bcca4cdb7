/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a container's console log, which is shown in status logs: short, printable, and the
 * last words of it are there whatever the container wrote before. */
#include "lxc/ctexit.h"
#include "proto/jsonx.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

#define LAST "last words"

static char *tail_of(const void *data, size_t size)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_json_ json_t *text = NULL;
	char *tail;

	scratch_write("console", data, size);
	path = xasprintf("%s/console", scratch_path);
	tail = ctexit_tail(path);
	assert(strlen(tail) <= CTEXIT_TAIL);
	for (const char *c = tail; *c; c++)
		assert(*c == '\n' || ((unsigned char)*c >= ' ' && *c != '\x7f'));
	text = json_string(tail);
	assert(text); /* UTF-8 */
	return tail;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *all = xcalloc(size + sizeof(LAST), 1), *tail = NULL;
	size_t n;

	free(tail_of(data, size));
	if (size > 0)
		memcpy(all, data, size);
	memcpy(all + size, "\n" LAST, sizeof(LAST));
	tail = tail_of(all, size + sizeof(LAST));
	n = strlen(tail);
	assert(n >= strlen(LAST) && strcmp(tail + n - strlen(LAST), LAST) == 0);
	return 0;
}
