/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text on hoodyctl's terminal, in which a container may have had a say: no control character
 * reaches the terminal, all of it is UTF-8, and it is as wide as tables take it for. */
#include <jansson.h>

#include "proto/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size), *again = NULL;
	size_t len = strlen(text);
	json_t *v;

	err_clean(text);
	assert(strlen(text) == len); /* in place, a column stays a column */
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		assert(*c >= ' ' && *c != 0x7f);
		assert(!(c[0] == 0xc2 && c[1] < 0xa0));
	}
	v = json_string(text); /* which checks UTF-8 */
	assert(v);
	json_decref(v);
	again = xstrdup(text);
	err_clean(again);
	assert(strcmp(text, again) == 0);
	return 0;
}
