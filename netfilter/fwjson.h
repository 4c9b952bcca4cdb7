/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as they stand in orders and in the state file, to a plan. */
#pragma once

#include <jansson.h>

#include "netfilter/fwplan.h"

/* @rules: an array of rule objects that have passed proto/oprules. Errors as fwrule_parse's and
 * fwplan_make's. */
_must_check_ int fwjson_plan(
	const json_t *rules, enum fwdirection direction, struct fwplan *ret, struct err *err);
