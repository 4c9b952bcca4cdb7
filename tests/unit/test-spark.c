/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of samples: the ring forgets the oldest, scales are steady, gaps are gaps. */
#include <math.h>

#include "agent/ctl/ctl_spark.h"
#include "tests/unit/tap.h"

static const char *line(const struct ctl_spark *s, size_t width, double top, bool blocks)
{
	static char text[CTL_SPARK_TEXT_MAX];

	ctl_spark_text(s, width, top, blocks, text);
	return text;
}

int main(void)
{
	struct ctl_spark s = {};
	size_t full;

	TAP_STREQ(line(&s, 4, 1, true), "    ", "none yet: blank");
	for (int i = 0; i <= 8; i++)
		ctl_spark_add(&s, i);
	TAP_STREQ(line(&s, 9, 8, true), "▁▁▂▃▄▅▆▇█", "each eighth is a level");
	TAP_STREQ(line(&s, 9, 8, false), "__.-:=+*#", "in ASCII too");
	TAP_STREQ(line(&s, 3, 8, true), "▆▇█", "the newest are kept on the right");
	TAP_STREQ(line(&s, 11, 8, true), "  ▁▁▂▃▄▅▆▇█", "what isn't there yet is blank");
	TAP_STREQ(line(&s, 2, 4, true), "██", "what is beyond the scale is full");
	TAP_STREQ(line(&s, 2, 0, true), "▁▁", "a scale of nothing");
	ctl_spark_add(&s, NAN);
	ctl_spark_add(&s, 0.1);
	TAP_STREQ(line(&s, 3, 8, true), "█ ▁", "a gap; and little is still something");
	TAP_OK(ctl_spark_top(&s, 12.5) == 12.5 && ctl_spark_top(&s, 3) == 12,
		"the scale is at least so high, and doubles");
	for (int i = 0; i < CTL_SPARK_SAMPLES; i++)
		ctl_spark_add(&s, 1);
	TAP_OK(ctl_spark_top(&s, 0.5) == 1, "what has left the ring counts no more");
	full = strlen(line(&s, SIZE_MAX, 1, true));
	TAP_EQ(full, CTL_SPARK_TEXT_MAX - 1, "no line is longer than its bound");
	return tap_done();
}
