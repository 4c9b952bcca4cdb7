/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-courier --fetch: one download and nothing else. It has no node token and no keys, sees no
 * file, and writes into a pipe: what comes is judged by who reads it.
 *
 * Started by hoody-worker with its channel as descriptor 3. FRAME_FETCH_WISH says what, and
 * FRAME_FETCH_DONE or FRAME_FETCH_FAILED how it ended. */
#pragma once

/* Returns the exit status. */
int fetch_run(const char *user);
