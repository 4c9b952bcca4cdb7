/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A batch of reports on its way to an API that takes it compressed (PROTOCOL.md 10.2): before
 * base64, which hides what repeats from whoever compresses later. Its signature stays that of the
 * bytes before. Pure. */
#pragma once

#include "proto/base.h"

#define BATCHPACK_TYPE "application/vnd.hoody.report-batch"

/* The envelope with "encoding":"zstd"; the caller's. NULL: it goes as it is, being short or no
 * envelope of ours. */
char *batchpack(const void *envelope, size_t size, size_t *ret_size);
