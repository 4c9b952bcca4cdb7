/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keysets: reading never crashes, and what is accepted comes back the same from its own text. */
#include "proto/keyset.h"
#include "proto/rotate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *one = NULL, *two = NULL;
	struct keyset ks, again, next;
	struct err err = { 0 };

	if (keyset_parse(data, size, &ks, &err) < 0) {
		assert(err.code != ERR_NONE);
		return 0;
	}
	one = keyset_format(&ks);
	if (keyset_parse(one, strlen(one), &again, &err) < 0)
		abort();
	two = keyset_format(&again);
	assert(strcmp(one, two) == 0);
	assert(rotate_keyset(&ks, data, size, 0, &next, &err) <
		0); /* a keyset is not an envelope */
	return 0;
}
