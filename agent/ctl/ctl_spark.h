/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last samples of something, and the line that they make: a character each, the newest to the
 * right. Pure. */
#pragma once

#include "proto/base.h"

#define CTL_SPARK_SAMPLES 120

struct ctl_spark { /* zeros: none yet */
	float at[CTL_SPARK_SAMPLES];
	size_t n, next;
};

/* The oldest goes where there is no room. @value NAN: not known, a gap in the line. */
void ctl_spark_add(struct ctl_spark *s, double value);

/* The end of a scale for it: @least, doubled until the highest sample is below. So it changes
 * rarely, and what stands still looks so. */
double ctl_spark_top(const struct ctl_spark *s, double least);

/* The line of the last @width samples, as high as can be at @top: the blocks of Unicode, or ASCII
 * characters that fill their place more and more. Blanks stand for what isn't there. */
#define CTL_SPARK_TEXT_MAX (3 * CTL_SPARK_SAMPLES + 1)
void ctl_spark_text(const struct ctl_spark *s, size_t width, double top, bool blocks,
	char ret[static CTL_SPARK_TEXT_MAX]);
