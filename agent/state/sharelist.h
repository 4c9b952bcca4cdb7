/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories that containers share, and which container has refused which.
 * Rows of the state file. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

struct sharelist_entry {
	const char *id, *source_id, *path;
	const char *target_id, *project_id;    /* one is NULL */
	const char *mode, *mount_path, *alias; /* the latter two may be NULL */
	const char *label, *description;       /* these, too */
	bool enabled;
	int64_t expires_ms; /* 0: never */
};

void sharelist_put(struct store *s, const struct sharelist_entry *e, int64_t now_ms);
void sharelist_remove(struct store *s, const char *id);
/* Keep what is wished of the share, and by whom it was refused, until it is settled or brought
 * back. */
void sharelist_keep(struct store *s, const char *id);
bool sharelist_is_kept(struct store *s, const char *id);
bool sharelist_was_enabled(struct store *s, const char *id); /* and kept */
void sharelist_revert(struct store *s, const char *id);
void sharelist_settle(struct store *s, const char *id);
/* A container is gone: what it shares has ended, at SHARELIST_ENDED_MS, whatever container is made
 * of that id; the rows go by orders that unmount it. */
#define SHARELIST_ENDED_MS 1000
void sharelist_end_source(struct store *s, const char *container_id);
/* A project is gone: what was meant for it. */
void sharelist_forget_project(struct store *s, const char *project_id);
/* @message NULL: it is active. */
void sharelist_set_status(struct store *s, const char *id, const char *message);

/* One as the public API shows it, with what only the node uses in it as well ("mount_path"); NULL:
 * there is none. The caller's. */
json_t *sharelist_get(struct store *s, const char *id);
json_t *sharelist_all(struct store *s);
json_t *sharelist_of_source(struct store *s, const char *container_id);
/* What is meant for this container alone, or for this project. */
json_t *sharelist_of_target(struct store *s, const char *id);
/* What is meant for a container, by its own id or its project's: the direct ones first, and one for
 * a directory. Its own, and expired ones, are left out, and @without (or NULL) as if it were not
 * there; "mount" tells whether it wants it. */
json_t *sharelist_incoming(struct store *s, const char *container_id, const char *project_id,
	const char *without, int64_t now_ms);
/* Another of the same directory for the same target, that has not ended by now. */
bool sharelist_has_other(struct store *s, const struct sharelist_entry *e, int64_t now_ms);

/* The receiver's switch. @id: the override's, when it is new. */
json_t *sharelist_override(struct store *s, const char *share_id, const char *container_id,
	const char *id, bool mount, int64_t now_ms);
/* It is gone: what was meant for it alone, and what it refused. What it shares itself stays. */
void sharelist_forget_container(struct store *s, const char *container_id);

int64_t sharelist_next_expiry(struct store *s, int64_t after_ms);
json_t *sharelist_expired(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit);
