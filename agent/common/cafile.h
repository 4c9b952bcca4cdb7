/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of certificate authorities that the configuration names. The agent reads them, as root, and
 * hands on their text: the programs that believe in them see no file. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* @setting ("Control.CaFile") stands in the error. *ret is the caller's; NULL when @path is "". */
_must_check_ int cafile_read(const char *path, const char *setting, char **ret, struct err *err);
