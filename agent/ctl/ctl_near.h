/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which word was meant? */
#pragma once

#include "proto/base.h"

/* The nearest of what was compared with @word, so far. */
struct ctl_near {
	const char *word;
	const char *best; /* NULL: none is near enough */
	size_t distance;
};

/* Is @other nearer? It is kept, not copied. */
void ctl_near_try(struct ctl_near *n, const char *other);
