/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations that have not ended: as the engine keeps them, and what others may ask of them. */
#pragma once

#include "proto/order.h"
#include "proto/oprules.h"

struct agent;
struct engine;
struct operation;

/* Does an unfinished operation hold this container's lane? */
bool unfinished_is_busy(const struct engine *e, const char *container_id);
/* Who is in the lanes of an order that has not been accepted? */
enum unfinished_traffic {
	UNFINISHED_FREE, /* nobody, or those alone whose turn passes in milliseconds */
	UNFINISHED_OWN,  /* what takes its time, and all of it is of the agent's own making */
	UNFINISHED_SLOW, /* somebody's operation that takes its time */
};
enum unfinished_traffic unfinished_traffic(const struct engine *e, const struct order *o);
size_t unfinished_count(const struct engine *e);
/* The lanes of all containers that there are or that unfinished orders name; of one project's, or
 * (NULL) of all. */
void unfinished_add_lanes(const struct engine *e, const char *project_id, struct oprules_lanes *l);
/* For what makes a container: the lane of its project, while an unfinished order before it concerns
 * the whole project (its deletion, what is shared with it), which can't have known of this
 * container. */
void unfinished_follow_project(struct agent *a, const struct order *o, struct oprules_lanes *l);
/* For a proxy document: the lane of the container that an unfinished order before it is yet to
 * make, or of the project that one is yet to delete: what is there now is not what it is for. */
void unfinished_follow_owner(struct agent *a, const struct order *o, struct oprules_lanes *l);
/* Images go by their normalised names (agent/state/imagelist.h). Is one yet to be removed, or to
 * become another than @digest ("": there is none now)? */
bool unfinished_changes_image(const struct engine *e, const char *image, const char *digest);
/* Does an order before @op make a container of it? */
bool unfinished_makes_of_image(
	const struct engine *e, const struct operation *op, const char *image);
/* For an alias: the lane of its target, where that is there and unfinished orders before it are to
 * delete it and make it anew, for the aliases of the old one go with it. It waits for nothing else:
 * all aliases have one lane. */
void unfinished_follow_target(struct agent *a, const struct order *o, struct oprules_lanes *l);
/* The unfinished order that is to make this share, or NULL. */
const struct order *unfinished_find_share(const struct engine *e, const char *share_id);
/* Is just this asked already, by whomever? */
bool unfinished_is_asked(const struct engine *e, enum op op, const json_t *params);
/* The newest unfinished order of @op for the container, or NULL. */
const struct order *unfinished_find(const struct engine *e, enum op op, const char *container_id);

/* Is a worker at work that launches a container? */
bool unfinished_is_launching(const struct engine *e);
/* The unfinished operation after @after (NULL: the first) that has passed its check, or NULL. */
const struct operation *unfinished_next_begun(
	const struct engine *e, const struct operation *after);

/* --- the engine's own --- */

/* Put an order, which becomes the operation's, in front of all. It is in no lane yet. */
struct operation *unfinished_add(struct engine *e, struct order *take, const char *origin);
/* Into the lanes that its op and its row name; first in all of them, it is ready. */
void unfinished_join_lanes(struct engine *e, struct operation *op);
/* Who stood behind it alone is ready. */
void unfinished_leave_lanes(struct engine *e, struct operation *op);
/* It has left its lanes; its worker goes back, and it is freed. */
void unfinished_remove(struct engine *e, struct operation *op);

/* False: none is free for it. A worker that has failed (or was killed) serves nobody any more, and
 * another is taken. */
_must_check_ bool unfinished_get_worker(struct engine *e, struct operation *op);
void unfinished_let_worker_go(struct engine *e, struct operation *op);
/* One project never has all workers: what another orders finds one. */
_must_check_ bool unfinished_has_share(const struct engine *e, const struct operation *op);
