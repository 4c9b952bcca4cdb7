/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_near.h"

#define WORD_MAX 63

static size_t least(size_t a, size_t b, size_t c)
{
	return MIN_OF(MIN_OF(a, b), c);
}

/* How many letters must be put in, left out, changed, or swapped with their neighbour (Damerau's
 * and Levenshtein's optimal string alignment). */
static size_t distance_of(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *two_up = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(
				up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN_OF(row[j], two_up[j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

void ctl_near_try(struct ctl_near *n, const char *other)
{
	size_t len = strlen(n->word), enough = 1 + len / 4, d;

	if (len > WORD_MAX || strlen(other) > WORD_MAX)
		return;
	d = distance_of(n->word, other);
	/* What was begun right and not ended is near, too. */
	if (len >= 3 && strncmp(n->word, other, len) == 0)
		d = 1;
	if (d <= enough && (!n->best || d < n->distance)) {
		n->best = other;
		n->distance = d;
	}
}
