/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl as a client of the local API: HTTP on Local.Socket. */
#pragma once

#include "agent/ctl/ctl.h"

/* Ask, and give the answer's data (the caller's). @body may be NULL. @async: don't wait for the end
 * of what is begun. A refusal of the API is CTL_FAILED with its sentence and code, an agent that
 * says nothing for half a minute CTL_UNREACHABLE. */
enum ctl_exit ctl_http_ask(const struct ctl *ctl, const char *method, const char *path,
	const json_t *body, bool async, json_t **ret_data, struct err *err);

/* Every row of a list, page after page: an array, the caller's. @path without a query, or with one
 * that names neither page nor limit; @name is the list's member. */
enum ctl_exit ctl_http_list(
	const struct ctl *ctl, const char *path, const char *name, json_t **ret, struct err *err);

/* Follow a stream of server-sent events until it ends, @each has had enough (false), or the user
 * interrupts: *ret_interrupted then. Refusals are told as above. */
typedef bool (*ctl_http_each)(const json_t *data, void *userdata);
enum ctl_exit ctl_http_follow(const struct ctl *ctl, const char *path, ctl_http_each each,
	void *userdata, bool *ret_interrupted, struct err *err);
