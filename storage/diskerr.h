/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the pool's file system refused, as an error: DISK_FULL where it or a quota is full. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* "<sentence>: <the errno's words>". Returns @r, a negative errno. */
int diskerr_set(struct err *err, int r, const char *fmt, ...) _printf_(3, 4);
