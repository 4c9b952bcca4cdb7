/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an event is about, in the names that people gave. */
#pragma once

#include "agent/ctl/ctl.h"

/* Adds to each event of @rows its container's name and what is told of it, as members of
 * CTL_MORE. */
enum ctl_exit ctl_events_more(const struct ctl *ctl, json_t *rows, struct err *err);

/* A line of it. *names is of the containers' names that are known, the caller's, NULL at first. */
void ctl_events_print(const struct ctl *ctl, const json_t *event, json_t **names);
