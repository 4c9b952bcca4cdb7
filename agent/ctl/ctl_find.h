/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which container or project does a word mean: an id, a name, or the beginning of an id that no
 * other has? */
#pragma once

#include "agent/ctl/ctl.h"

/* @all: objects with "id" and "name". *ret is the id, the caller's. CTL_FAILED: none; CTL_USAGE:
 * could be several. */
enum ctl_exit ctl_find_container(const json_t *all, const char *word, char **ret, struct err *err);

/* The same among the containers that the local API lists. An id is taken as it is. */
enum ctl_exit ctl_find(const struct ctl *ctl, const char *word, char **ret, struct err *err);

/* A project's id, alias, or the beginning of its id. */
enum ctl_exit ctl_find_project(
	const struct ctl *ctl, const char *word, char **ret, struct err *err);

/* A share, by its id, its alias, or the beginning of its id. */
enum ctl_exit ctl_find_share(const struct ctl *ctl, const char *word, char **ret, struct err *err);
