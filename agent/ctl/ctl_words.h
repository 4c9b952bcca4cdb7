/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several members of answers say together. */
#pragma once

#include "agent/ctl/ctl.h"

/* Of a container's network object: its mode, and whether it is in force; the caller's. */
char *ctl_words_network(const struct ctl *ctl, const json_t *v);
/* A container's name, asked of the agent; where it is gone, or has none, @else_name; the caller's.
 * NULL: @id is NULL, or there is neither. */
char *ctl_words_container_name(const struct ctl *ctl, const char *id, const char *else_name);
/* Of a member that is the id of a container or a project: "web (id)", or the id alone. */
char *ctl_words_container(const struct ctl *ctl, const json_t *v);
char *ctl_words_project(const struct ctl *ctl, const json_t *v);
/* Is a direction of its firewall closed to what no rule is for? @v: of firewall/rules. */
bool ctl_words_is_closed(const json_t *v, const char *direction);
/* The object of a list with this id, borrowed; NULL: none, or @id is NULL. */
json_t *ctl_words_of_id(const json_t *list, const char *id);
/* A container's name, or its id where it has none or is gone; borrowed, NULL: @id is NULL. */
const char *ctl_words_name(const json_t *containers, const char *id);
