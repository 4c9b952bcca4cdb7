/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes two systems of one image different systems: machine-id(5), host name, host keys of
 * ssh. The files are the container's own: they are found as a process chrooted to its root would
 * find their directories, and themselves never followed. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* A root that was another's: its machine-id is emptied (systemd makes one at boot), its name is
 * @hostname, and its host keys go: where there were any one of its own is made
 * (storage/hostkey.h). */
_must_check_ int identity_refresh(int root, const char *hostname, struct err *err);

/* @root takes on the identity of @from: what is missing there is removed here. */
_must_check_ int identity_carry(int from, int root, struct err *err);
