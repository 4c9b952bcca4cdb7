/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text on hoodyctl's terminal, in which a container may have had a say: no control character
 * reaches the terminal, all of it is UTF-8, and it is as wide as tables take it for: by itself, and
 * as the cells of a table that has no room for them. */
#include <jansson.h>

#include "agent/ctl/ctl_text.h"
#include "proto/err.h"
#include "tests/fuzz/fuzz.h"

#define COLUMNS_MAX 5

static void check_text(const char *text)
{
	json_t *v = json_string(text); /* which checks UTF-8 */

	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		assert((*c >= ' ' && *c != 0x7f) || *c == '\n');
	assert(v);
	json_decref(v);
}

/* Cells end where the input has a bar. */
static void print_table(const uint8_t *data, size_t size)
{
	static const char *const heads[COLUMNS_MAX] = { "ID", "NAME", "N", "STATUS", "WHAT" };
	size_t columns = 1 + size % COLUMNS_MAX, n = 0, printed_size;
	_cleanup_(freep) char *text = fuzz_text(data, size), *printed = NULL, *room = NULL;
	struct ctl_text *t = ctl_text_new(size % 2 ? heads : NULL, columns);
	FILE *f = open_memstream(&printed, &printed_size);
	char *rest = text;

	room = xasprintf("%zu", size % 64);
	if (!f || setenv("COLUMNS", room, 1) < 0)
		abort();
	for (size_t i = 0; i < columns; i++)
		ctl_text_fit(t, i, (enum ctl_fit)((i + size) % (CTL_FIT_SPARE + 1)));
	for (const char *cell; (cell = strsep(&rest, "|")); n++) {
		if (n % 7 == 6)
			ctl_text_right(t, cell, CTL_GREEN);
		else
			ctl_text_cell(t, cell, ctl_text_colour_of(cell));
	}
	for (; n % columns; n++)
		ctl_text_number(t, (int64_t)size);
	ctl_text_print(t, f, false);
	(void)fclose(f);
	check_text(printed);
	(void)ctl_text_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size), *again = NULL;
	size_t len = strlen(text);

	err_clean(text);
	assert(strlen(text) == len); /* in place, a column stays a column */
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		assert(*c >= ' ' && *c != 0x7f);
		assert(!(c[0] == 0xc2 && c[1] < 0xa0));
	}
	check_text(text);
	again = xstrdup(text);
	err_clean(again);
	assert(strcmp(text, again) == 0);
	print_table(data, size);
	return 0;
}
