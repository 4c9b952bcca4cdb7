/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/block.h"

/* The line that is @mark and nothing else; NULL: there is none. @ret_next: what follows it. */
static const char *find_line(const char *text, const char *mark, const char **ret_next)
{
	size_t len = strlen(mark);

	for (const char *at = text; *at;) {
		const char *end = strchrnul(at, '\n');

		if ((size_t)(end - at) == len && strncmp(at, mark, len) == 0) {
			*ret_next = *end ? end + 1 : end;
			return at;
		}
		at = *end ? end + 1 : end;
	}
	return NULL;
}

struct block {
	const char *begin, *body, *end, *rest; /* begin NULL: there is none */
};

static int find_block(const char *text, struct block *ret)
{
	struct block b = {};
	const char *next, *again;

	b.begin = find_line(text, BLOCK_BEGIN, &b.body);
	b.end = find_line(text, BLOCK_END, &b.rest);
	if (!b.begin != !b.end)
		return -EBADMSG;
	if (b.begin && (b.end < b.begin || find_line(b.body, BLOCK_BEGIN, &next) ||
			       (again = find_line(b.rest, BLOCK_END, &next))))
		return -EBADMSG;
	*ret = b;
	return 0;
}

int block_replace(const char *text, const char *body, char **ret)
{
	struct block b;
	int r = find_block(text, &b), before;
	const char *gap;

	if (r < 0)
		return r;
	if (!b.begin)
		b.begin = b.rest = text + strlen(text);
	before = (int)(b.begin - text);
	gap = before > 0 && text[before - 1] != '\n' && *body ? "\n" : "";
	*ret = *body ? xasprintf("%.*s%s" BLOCK_BEGIN "\n%s" BLOCK_END "\n%s", before, text, gap,
			       body, b.rest)
		     : xasprintf("%.*s%s", before, text, b.rest);
	return 0;
}

int block_read(const char *text, char **ret)
{
	struct block b;
	int r = find_block(text, &b);

	if (r < 0)
		return r;
	*ret = b.begin ? xasprintf("%.*s", (int)(b.end - b.body), b.body) : xstrdup("");
	return 0;
}
