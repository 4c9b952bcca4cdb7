/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job "session": a command in a container or its console, for the one at the other end of a
 * socket (FRAME_SESSION_*, proto/frame.h). Lasts as long as the command, also without the agent. */
#pragma once

#include "lxc/ctlife.h"

/* @fd: the worker's end, the caller's. Returns when the session has ended; its end and its failures
 * are told to the other side. */
void worker_session(struct ctlife *l, int fd);
