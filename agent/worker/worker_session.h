/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job "session": a command in a container or its console, for the one at the other end of a
 * socket (FRAME_SESSION_*, proto/frame.h). Lasts as long as the command, also without the agent.
 *
 * What enters the container is a copy of the worker that holds nothing else: the job executes it
 * (lxc/ctenter.h) as "hoody-worker --session", with the job's text and the socket. */
#pragma once

#include "lxc/ctlife.h"

#define WORKER_SESSION "--session"

/* @fd: the worker's end, the caller's. Returns when the session has ended; its end and its failures
 * are told to the other side. */
void worker_session(struct ctlife *l, int fd);

/* There will be no session: why. */
void worker_session_refuse(int fd, struct err *err);
