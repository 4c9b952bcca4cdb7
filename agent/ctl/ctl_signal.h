/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ends a command before its time, where something half made must not be left behind. */
#pragma once

/* SIGINT, SIGTERM and SIGHUP go to @handler, once: the next one ends us. Those that our caller
 * ignores stay ignored. NULL: each does again what it did at first. */
void ctl_signal_hear(void (*handler)(int sig));
