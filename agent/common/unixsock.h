/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of the agent's own in the file system (unix(7)), for root and one group. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

#define UNIXSOCK_NO_GROUP ((gid_t)-1)

/* Listen at @path in place of what lies there: a predecessor's, as the state file's lock says that
 * it is gone. Nobody can connect before the socket has its group and mode (0660; 0600 where it has
 * none). @type: of socket(2). @setting: what names the path, for the error. *ret is the caller's,
 * also when the call failed: -1, or a socket that lies at @path. */
_must_check_ int unixsock_listen(const char *path, int type, int backlog, gid_t group,
	const char *setting, int *ret, struct err *err);
