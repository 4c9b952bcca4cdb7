/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /root/.ssh/authorized_keys of a container, edited: a key that an order may carry is one that
 * sshd(8) can read, and has a fingerprint; other lines stay as they are to the byte, and to do it
 * again changes nothing. The input: the key ("": none), a NUL, the file as it is. */
#include <sys/stat.h>

#include "agent/state/keylist.h"
#include "proto/opfield.h"
#include "storage/keyfile.h"
#include "storage/rootfile.h"
#include "tests/fuzz/block.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

#define FILE_NAME "root/.ssh/authorized_keys"

static void check_key(const char *key)
{
	char fingerprint[KEYLIST_FINGERPRINT_MAX];

	assert(!strpbrk(key, "\n\r") && strcmp(key, BLOCK_BEGIN) != 0 &&
		strcmp(key, BLOCK_END) != 0);
	assert(keylist_fingerprint(key, fingerprint));
	assert(strlen(fingerprint) == strlen("SHA256:") + 43);
}

static int edit(const char *key)
{
	struct err err = {};
	int r = keyfile_write(scratch_open(), *key ? key : NULL, &err);

	assert(r == 0 || (err.code != ERR_NONE && *err.message));
	return r;
}

static void check_block(const char *text, const char *key)
{
	_cleanup_(freep) char *block = NULL, *line = xasprintf("%s%s", key, *key ? "\n" : "");

	if (block_read(text, &block) < 0)
		abort();
	assert(strcmp(block, line) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *old;
	size_t old_size, n, again_size;
	_cleanup_(freep) char *key = fuzz_split(data, size, &old, &old_size), *text = NULL,
			      *again = NULL;

	if (*key && (!opfield_is_plain(key) || !opfield_ssh_key.is(key)))
		return 0;
	if (*key)
		check_key(key);
	(void)mkdirat(scratch_open(), "root", 0700);
	if (mkdirat(scratch_open(), "root/.ssh", 0700) < 0 && errno != EEXIST)
		abort();
	scratch_write(FILE_NAME, old, old_size);
	if (edit(key) < 0) {
		text = scratch_read(FILE_NAME, &n);
		assert(n == old_size && (n == 0 || memcmp(text, old, n) == 0));
		return 0;
	}
	text = scratch_read(FILE_NAME, &n);
	assert(n <= ROOTFILE_MAX);
	block_assert_rest(old, old_size, text, n);
	check_block(text, key);
	assert(edit(key) == 0);
	again = scratch_read(FILE_NAME, &again_size);
	assert(again_size == n && memcmp(again, text, n) == 0);
	return 0;
}
