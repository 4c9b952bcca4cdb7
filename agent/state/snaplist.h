/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshots that there are: names, aliases, expiry. Rows of the state file, changed in the
 * transaction that ends their order; the trees are storage/pool's. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"
#include "proto/base.h"
#include "proto/ident.h"

#define SNAPLIST_NAME_MAX 100

struct snaplist_entry {
	const char *container_id, *name, *alias; /* alias: or NULL */
	int64_t created_ms;
	int64_t expires_ms; /* 0: never */
	int64_t size;       /* bytes on the disk, 0 where a snapshot shares them all */
};

void snaplist_add(struct store *s, const struct snaplist_entry *e);
bool snaplist_has(struct store *s, const char *container_id, const char *name);
/* Did it come along when the container was copied? */
bool snaplist_is_brought(struct store *s, const char *container_id, const char *name);
/* Has it an end, and is that no later than now? */
bool snaplist_has_ended(
	struct store *s, const char *container_id, const char *name, int64_t now_ms);
int64_t snaplist_count(struct store *s, const char *container_id);
void snaplist_remove(struct store *s, const char *container_id, const char *name);
void snaplist_remove_all(struct store *s, const char *container_id);
void snaplist_copy(struct store *s, const char *from_container, const char *to_container);
void snaplist_set_alias(struct store *s, const char *container_id, const char *name,
	const char *alias); /* NULL: none */
void snaplist_set_used(struct store *s, const char *container_id, const char *name, int64_t now_ms);

/* As the public API shows them, the oldest first. */
json_t *snaplist_json(struct store *s, const char *container_id);
json_t *snaplist_one(struct store *s, const char *container_id, const char *name); /* or NULL */
/* Name of the one that was restored last, or null. */
json_t *snaplist_last_used(struct store *s, const char *container_id);

/* The first end after @after_ms; 0: there is none. */
int64_t snaplist_next_expiry(struct store *s, int64_t after_ms);
/* Those that end after the one and not after the other, at most @limit: an array of {container_id,
 * name}. */
json_t *snaplist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit);
