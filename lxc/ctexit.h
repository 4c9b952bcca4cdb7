/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be told of an end that nobody ordered: how init ended, and what was said last. */
#pragma once

#include "proto/base.h"

#define CTEXIT_TAIL 1024 /* bytes that are shown */

/* The wait status (wait(2)) of the process that @pidfd was of, after its parent has reaped it:
 * Linux 6.15 (PIDFD_GET_INFO). -ENODATA: this kernel does not tell, or not yet. */
_must_check_ int ctexit_status(int pidfd, int *ret_status);

/* The last whole lines of a text file, as UTF-8 (what is none becomes question marks), without
 * control bytes but newlines: "" when there are none. The caller's. */
char *ctexit_tail(const char *path);
/* The end of it on one line, as much as an error's message has room for. The caller's. */
char *ctexit_last_words(const char *path);
