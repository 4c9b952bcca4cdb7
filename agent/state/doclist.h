/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Permission documents of the node's reverse proxy, one for a project or a container, each with a
 * version that only grows: one that was deleted leaves its version. Rows of the state file. @scope
 * is "project" or "container". */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* NULL: there is none. The caller's. @ret_version: 0 when there never was one. */
json_t *doclist_get(struct store *s, const char *scope, const char *id, int64_t *ret_version);
/* NULL: deleted at this version. */
void doclist_put(struct store *s, const char *scope, const char *id, int64_t version,
	const json_t *document, int64_t now_ms);
/* Its owner is gone, and with it the version. */
void doclist_forget(struct store *s, const char *scope, const char *id);
/* {id: document}; the caller's. */
json_t *doclist_all(struct store *s, const char *scope);
