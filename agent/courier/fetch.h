/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-courier as a fetcher: one download and nothing else. It has no node token and no keys, sees
 * no file, and writes into a pipe: what comes is judged by who reads it.
 *
 * Started by hoody-worker. FRAME_FETCH_WISH as the first frame says what, and makes it one;
 * FRAME_FETCH_DONE or FRAME_FETCH_FAILED say how it ended. */
#pragma once

#include <stddef.h>

struct sandbox_who;

/* The wish, and the pipe's end that came with it. Returns the exit status. */
int fetch_run(const struct sandbox_who *who, char *wish_takes, size_t size, int pipe_takes);
