/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that the node's reverse proxy serves containers under: each is one owner's on this node.
 * Rows of the state file. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* {"id","alias","enabled","target":{…},"expires_at","created_at","updated_at"}; NULL: there is
 * none. The caller's. */
json_t *aliaslist_get(struct store *s, const char *id);
/* All, sorted by alias; of one container's with @container_id. */
json_t *aliaslist_json(struct store *s, const char *container_id);

/* Does another than @id have this name? */
bool aliaslist_is_taken(struct store *s, const char *alias, const char *id);

struct aliaslist_entry {
	const char *id, *alias;
	bool enabled;
	const json_t *target;
	int64_t expires_ms; /* 0: never */
};
void aliaslist_put(struct store *s, const struct aliaslist_entry *e, int64_t now_ms);
void aliaslist_remove(struct store *s, const char *id);

/* The file of one that is up; NULL: of one that is not. The caller's. */
json_t *aliaslist_file(const json_t *alias, int64_t now_ms);
/* {alias: file} of all that are up. */
json_t *aliaslist_files(struct store *s, int64_t now_ms);

/* The first end after @after_ms of one that is enabled; 0: there is none. */
int64_t aliaslist_next_expiry(struct store *s, int64_t after_ms);
json_t *aliaslist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit);
