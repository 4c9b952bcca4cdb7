/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service manager is told (sd_notify(3)): readiness, reload, end, a status line, and the
 * watchdog. Without a NOTIFY_SOCKET all of it is silence, and without WATCHDOG_USEC there is no
 * timer and no wake-up. The agent tells for itself only; its children get neither variable, since
 * workers are started with an empty environment. */
#pragma once

#include <systemd/sd-event.h>

#include "proto/base.h"

/* Start the watchdog on @event if the service manager asked for one: the loop then has to turn in
 * time, or we are killed. Returns 1 when one was asked for, 0 when not, or a negative errno. */
_must_check_ int alive_watch(sd_event *event);

/* Ready: after recovery, when orders can be taken. Also ends a reload. */
void alive_ready(void);
/* SIGHUP was received; alive_ready() must follow. */
void alive_reloading(void);
void alive_stopping(void);
/* The line of `systemctl status`; a repetition of the last one is not sent. */
void alive_status(const char *fmt, ...) _printf_(1, 2);
