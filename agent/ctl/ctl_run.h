/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of hoodyctl doctor: the host's own programs, asked. */
#pragma once

#include <jansson.h>

#include "proto/base.h"

/* Run the program @argv (searched in PATH; ends with NULL) with @in as its input and @out as its
 * output, -1: none. What it complains of is not shown. Returns its exit status, or a negative
 * errno. */
_must_check_ int ctl_run(const char *const argv[], int in, int out);
/* What it prints as JSON; NULL: nothing of the kind. */
json_t *ctl_run_json(const char *const argv[]);
/* A file without a name that holds the text, read from its beginning; -1: there is none. */
int ctl_run_text(const char *text);
