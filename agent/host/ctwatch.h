/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches the init of every running container by its pidfd, so that an end that nobody ordered is
 * noticed at once and costs nothing until then.
 *
 * While an operation holds the container's lane an end is only remembered: the operation decides
 * what it means. An init that is replaced (the container rebooted itself: liblxc's monitor starts a
 * new one) is followed, not reported as a stop. */
#pragma once

#include <sys/types.h>

#include "agent/common/agent.h"

/* Watch this init. Takes @pidfd. Replaces what was watched. */
void ctwatch_attach(struct agent *a, struct container *c, pid_t pid, int pidfd);
void ctwatch_detach(struct container *c);

/* Ask the kernel how the container is (running, paused, stopped), and watch its init or stop
 * watching. */
enum ct_status ctwatch_observe(struct agent *a, struct container *c);

/* The same at the agent's start, before there is a loop that could wait: an init that its group doesn't
 * remember (an older agent's) is searched for. */
enum ct_status ctwatch_adopt(struct agent *a, struct container *c);

/* An operation has left the container: look into what was remembered. */
void ctwatch_settle(struct agent *a, struct container *c);

/* 0 when nothing runs. */
pid_t ctwatch_pid(const struct container *c);
