/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of containers in the public form. */
#pragma once

#include <jansson.h>

#include "agent/stats/stats.h"

/* The public object of one; the caller's. @usage: of its ramdisk, or NULL where that is not
 * measured. */
json_t *statjson_container(
	const struct agent *a, const struct stats_sample *sample, json_t *usage_steals);
/* A project's alias; null where this node doesn't know it. */
json_t *statjson_project_name(const struct agent *a, const char *project_id);

/* To one decimal (@scale 10) or two (100). */
double statjson_rounded(double value, double scale);
