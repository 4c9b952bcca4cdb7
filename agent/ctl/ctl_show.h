/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the local API answers, for people: a list is a table of columns, an object a table of two;
 * or ids only, or JSON, as the options say. */
#pragma once

#include "agent/ctl/ctl.h"

struct ctl_column {
	const char *head, *member; /* "a.b": of an inner object */
	bool coloured;
};

/* All rows of a list, page after page; @name is the list's member. The first column is the id. */
enum ctl_exit ctl_show_list(const struct ctl *ctl, const char *path, const char *name,
	const struct ctl_column *columns, size_t n, struct err *err);
/* Only the newest, as many as @path asks for. */
enum ctl_exit ctl_show_newest(const struct ctl *ctl, const char *path, const char *name,
	const struct ctl_column *columns, size_t n, struct err *err);
enum ctl_exit ctl_show_object(const struct ctl *ctl, const char *path, struct err *err);

/* A member, also of an inner object: "a.b". NULL when there is none. */
const json_t *ctl_show_member(const json_t *v, const char *path);
