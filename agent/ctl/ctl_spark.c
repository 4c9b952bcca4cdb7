/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ring of samples and its picture. */
#include "agent/ctl/ctl_spark.h"

#include <math.h>

static const char *const levels[][8] = {
	{ "_", ".", "-", ":", "=", "+", "*", "#" },
	{ "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }, /* U+2581 to U+2588 */
};

void ctl_spark_add(struct ctl_spark *s, double value)
{
	s->at[s->next] = (float)value;
	s->next = (s->next + 1) % CTL_SPARK_SAMPLES;
	s->n = MIN_OF(s->n + 1, (size_t)CTL_SPARK_SAMPLES);
}

/* @back 0 is the newest. */
static float sample(const struct ctl_spark *s, size_t back)
{
	return s->at[(s->next + CTL_SPARK_SAMPLES - 1 - back) % CTL_SPARK_SAMPLES];
}

double ctl_spark_top(const struct ctl_spark *s, double least)
{
	assert(least > 0);
	for (size_t i = 0; i < s->n; i++)
		while (isfinite(sample(s, i)) && (double)sample(s, i) > least)
			least *= 2;
	return least;
}

static const char *level(float value, double top, bool blocks)
{
	double eighths = top > 0 ? (double)value / top * 8 : 0;

	if (isnan(value))
		return " ";
	return levels[blocks][eighths < 1 ? 0 : MIN_OF((size_t)ceil(eighths), (size_t)8) - 1];
}

void ctl_spark_text(const struct ctl_spark *s, size_t width, double top, bool blocks,
	char ret[static CTL_SPARK_TEXT_MAX])
{
	char *end = ret;

	width = MIN_OF(width, (size_t)CTL_SPARK_SAMPLES);
	for (size_t i = width; i-- > 0;)
		end = stpcpy(end, i < s->n ? level(sample(s, i), top, blocks) : " ");
	*end = '\0';
}
