/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences of several members of an answer; the caller's. */
#pragma once

#include "agent/ctl/ctl.h"

/* Of a container's network object: its mode, and whether it is in force. */
char *ctl_words_network(const struct ctl *ctl, const json_t *v);
/* Is a direction of its firewall closed to what no rule is for? @v: of firewall/rules. */
bool ctl_words_is_closed(const json_t *v, const char *direction);
