/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environment variables of containers: as they are wished, and how far that
 * has come. Rows of the state file. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* {name: text}, {} without a row; the caller's. */
json_t *envlist_vars(struct store *s, const char *container_id);

/* Wish for @vars from now on. False: it was so already. What was wished before is kept for
 * envlist_revert until envlist_settle. */
bool envlist_wish(struct store *s, const char *container_id, const json_t *vars);
void envlist_revert(struct store *s, const char *container_id);
void envlist_settle(struct store *s, const char *container_id);

/* What an attempt has come to: @code is a published one, or NULL: all of it is in place. Decides
 * when it is tried again, by how often it was. */
void envlist_attempted(struct store *s, const char *container_id, const char *code, int64_t now_ms);
void envlist_begin_anew(struct store *s, const char *container_id);

void envlist_remove(struct store *s, const char *container_id);
void envlist_copy(struct store *s, const char *from_container, const char *to_container);

/* env_sync of the public API; the caller's. */
json_t *envlist_sync(struct store *s, const char *container_id);

/* The first retry after @after_ms; 0: there is none. */
int64_t envlist_next_retry(struct store *s, int64_t after_ms);
/* Those whose time is after the one and not after the other, at most @limit: an array of
 * {container_id}. Who was last tried after @until_ms is one of them: the clock was set back since,
 * and doesn't say how long ago that is. */
json_t *envlist_due(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit);
