/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start one of our own programs, with a channel to it (proto/channel.h). A child has an empty
 * environment, and every signal as at first; nothing else is inherited, since all our descriptors
 * are close-on-exec. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

/* The path of one of our programs: beside our own, in the build tree's other folder, or in the
 * libexec directory. The caller's. */
char *spawn_find(const char *name);

/* @fd is the child's end, still the caller's afterwards. The caller reaps. Returns 0 or a negative
 * errno. */
_must_check_ int spawn_program(const char *program, char *const argv[], int fd, pid_t *ret_pid);

/* below the runtime directory: what the leaves have as /etc (agent/host/namefiles) */
#define SPAWN_ETC "names"

/* Start a leaf (proto/sandbox.h). Where @directory/<name>.sock is a socket of systemd's with
 * Accept=yes, each connection starts an instance, in a unit that confines it as a user of its own:
 * then *ret_pid is 0, and its first frame says who it is (channel_peer). Elsewhere it is our child,
 * becomes @id (proto/leafid.h) and confines itself; the caller reaps. *ret_fd is the channel,
 * nonblocking. Blocks for no longer than a fork. Returns 0 or a negative errno. */
_must_check_ int spawn_leaf(
	const char *directory, const char *name, uint32_t id, int *ret_fd, pid_t *ret_pid);
