/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes to readers that aren't ours: standard error, the journal, the service manager. None of
 * them can make the agent wait: what a reader has no room for now is refused with EAGAIN and never
 * kept. */
#pragma once

#include <sys/uio.h>

#include "proto/base.h"

/* To standard error, with its newline. A reader of a pipe sees it whole or not at all. 0 or a
 * negative errno. */
int outlet_line(const char *line, size_t size);

/* One datagram to the Unix socket of this path ('@' first: an abstract one). 0 or a negative
 * errno. */
int outlet_datagram(const char *path, const struct iovec *parts, size_t n);
