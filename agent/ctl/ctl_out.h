/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hoodyctl's commands print alike. */
#pragma once

#include <jansson.h>

/* @v for programs to read. */
void ctl_out_json(const json_t *v);
