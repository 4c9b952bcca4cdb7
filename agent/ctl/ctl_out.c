/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_out.h"

#include <stdio.h>

#include "proto/jsonx.h"

void ctl_out_json(const json_t *v)
{
	(void)json_dumpf(
		v, stdout, JSON_INDENT(2) | JSONX_REALS); /* a failed stdout is found at the end */
	putchar('\n');
}
