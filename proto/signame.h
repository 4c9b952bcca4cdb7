/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals by their names, as images and settings write them: "SIGTERM", "TERM", "15", "SIGRTMIN+3".
 * Pure. */
#pragma once

#include "proto/base.h"

/* The kernel's number of a signal that a process may be asked by: neither SIGKILL nor SIGSTOP,
 * which nobody hears, nor what libcs keep for themselves. Upper case, decimal, nothing around it.
 * -EINVAL. */
_must_check_ int signame_parse(const char *text);
