/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start one of our own programs with its channel as descriptor 3, an empty environment, and every
 * signal as at first: nothing else is inherited, since all our descriptors are close-on-exec. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"

#define SPAWN_CHANNEL_FD 3

/* The path of one of our programs: beside our own, in the build tree's other folder, or in the libexec
 * directory. The caller's. */
char *spawn_find(const char *name);

/* @fd is the child's end, still the caller's afterwards. The caller reaps. Returns 0 or a negative
 * errno. */
_must_check_ int spawn_program(const char *program, char *const argv[], int fd, pid_t *ret_pid);
