/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations that have not ended: one list, newest first, their lanes, and who has a worker.
 * What others ask of them is answered by a walk over the list, which is as long as what the node
 * has to do. */
#include "agent/engine/unfinished.h"

#include "agent/common/agent.h"
#include "agent/engine/engine_self.h"
#include "agent/state/imagelist.h"

#define KEPT_PART 4 /* of the workers: for other projects than the one that has the rest */

struct operation *unfinished_add(struct engine *e, struct order *take, const char *origin)
{
	struct operation *op = xcalloc(1, sizeof(*op));

	op->agent = e->agent;
	op->order = *take;
	*take = (struct order){};
	(void)snprintf(op->origin, sizeof(op->origin), "%s", origin);
	op->def = e->find(op->order.op);
	op->next = e->all;
	if (e->all)
		e->all->prev = op;
	e->all = op;
	e->n++;
	return op;
}

void unfinished_let_worker_go(struct engine *e, struct operation *op)
{
	struct operation **at = &e->holders;

	if (!op->worker)
		return;
	while (*at != op)
		at = &(*at)->holder_next;
	*at = op->holder_next;
	op->worker = worker_release(op->worker);
}

void unfinished_remove(struct engine *e, struct operation *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		e->all = op->next;
	if (op->next)
		op->next->prev = op->prev;
	e->n--;
	unfinished_let_worker_go(e, op);
	if (op->waits)
		op->waits_free(op->waits);
	order_done(&op->order);
	json_decref(op->result);
	json_decref(op->step_data);
	if (op->last_attempt)
		e->n_last_attempts--;
	if (e->alone == op) {
		e->alone = NULL;
		operation_append(&e->ready, &e->held);
	}
	free(op);
}

static void on_lane_ready(struct lane_ticket *ticket, void *userdata)
{
	struct engine *e = userdata;

	operation_push(&e->ready, (struct operation *)ticket);
}

static_assert(offsetof(struct operation, ticket) == 0, "a ticket is its operation");

void unfinished_join_lanes(struct engine *e, struct operation *op)
{
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	oprules_lanes(op->order.op, op->order.container_id, op->order.project_id, op->order.params,
		&lanes);
	if (op->def && op->def->lanes)
		op->def->lanes(e->agent, &op->order, &lanes);
	if (lane_join(e->lanes, &op->ticket, &lanes))
		operation_push(&e->ready, op);
}

void unfinished_leave_lanes(struct engine *e, struct operation *op)
{
	lane_leave(e->lanes, &op->ticket, on_lane_ready, e);
}

/* One project never has all workers: what another orders finds one. */
bool unfinished_has_share(const struct engine *e, const struct operation *op)
{
	unsigned max = (unsigned)e->agent->conf.node.max_workers, n = 0;

	for (const struct operation *o = e->holders; o; o = o->holder_next)
		n += strcmp(o->order.project_id, op->order.project_id) == 0;
	return op->order.project_id[0] && max > 1 && n >= max - MAX_OF(max / KEPT_PART, 1u);
}

/* A worker that has failed (or was killed) serves nobody any more. */
bool unfinished_get_worker(struct engine *e, struct operation *op)
{
	if (op->last_r < 0)
		unfinished_let_worker_go(e, op);
	op->last_r = 0;
	if (op->worker)
		return true;
	op->worker = unfinished_has_share(e, op) ? NULL : worker_take(e->agent->workers);
	if (!op->worker)
		return false;
	op->holder_next = e->holders;
	e->holders = op;
	return true;
}

/* --- what is asked of them --- */

bool unfinished_is_busy(const struct engine *e, const char *container_id)
{
	char lane[OPRULES_LANE_LEN];

	(void)snprintf(lane, sizeof(lane), "container:%s", container_id);
	return lane_is_busy(e->lanes, lane);
}

/* An order that only edits wanted state ends within a turn or two; one that acts takes as long as
 * its steps. */
enum unfinished_traffic unfinished_traffic(const struct engine *e, const struct order *o)
{
	enum unfinished_traffic found = UNFINISHED_FREE;
	char lane[OPRULES_LANE_LEN];
	_cleanup_lanes_ struct oprules_lanes lanes = {};

	oprules_lanes(o->op, o->container_id, o->project_id, o->params, &lanes);
	(void)snprintf(lane, sizeof(lane), "container:%s", o->container_id);
	if (!oprules_has_lane(&lanes, lane))
		return found;
	for (const struct operation *x = e->all; x; x = x->next) {
		if (oprules_kind(x->order.op) != OPRULES_ACT || !lane_is_joined(&x->ticket, lane))
			continue;
		if (!operation_is_own(x))
			return UNFINISHED_SLOW;
		found = UNFINISHED_OWN;
	}
	return found;
}

const struct order *unfinished_find(const struct engine *e, enum op op, const char *container_id)
{
	for (const struct operation *o = e->all; o; o = o->next)
		if (o->order.op == op && strcmp(o->order.container_id, container_id) == 0)
			return &o->order;
	return NULL;
}

bool unfinished_is_asked(const struct engine *e, enum op op, const json_t *params)
{
	for (const struct operation *o = e->all; o; o = o->next)
		if (o->order.op == op && json_equal(o->order.params, params))
			return true;
	return false;
}

const struct operation *unfinished_next_begun(const struct engine *e, const struct operation *after)
{
	const struct operation *o = after ? after->next : e->all;

	while (o && o->attempts == 0)
		o = o->next;
	return o;
}

static bool has_lane(const struct oprules_lanes *l, size_t n, const char *container_id)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(l->name[i], "container:", 10) == 0 &&
			strcmp(l->name[i] + 10, container_id) == 0)
			return true;
	return false;
}

static bool is_of(const char *of, const char *project_id)
{
	return !project_id || strcmp(of, project_id) == 0;
}

/* The containers differ from each other, so each is only held against the lanes that @l had
 * before. One that is there in another project may go, and be made anew in this one. */
void unfinished_add_lanes(const struct engine *e, const char *project_id, struct oprules_lanes *l)
{
	struct desired *d = e->agent->desired;
	size_t before = l->n;

	for (size_t i = 0; i < desired_count(d); i++) {
		const struct ctspec *s = &desired_at(d, i)->spec;

		if (is_of(s->project_id, project_id) && !has_lane(l, before, s->id))
			oprules_append_lane(l, "container", s->id);
	}
	for (const struct operation *o = e->all; o; o = o->next) {
		const struct container *c = desired_find(d, o->order.container_id);

		if ((!c || !is_of(c->spec.project_id, project_id)) &&
			is_of(o->order.project_id, project_id))
			oprules_add_lane(l, "container", o->order.container_id);
	}
}

/* Orders that make containers don't wait for each other. */
void unfinished_follow_project(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	char lane[OPRULES_LANE_LEN];

	(void)snprintf(lane, sizeof(lane), "project:%s", o->project_id);
	for (const struct operation *x = a->engine->all; x; x = x->next)
		if (x->order.op != OP_CONTAINER_CREATE && x->order.op != OP_CONTAINER_COPY &&
			lane_is_joined(&x->ticket, lane)) {
			oprules_add_lane(l, "project", o->project_id);
			return;
		}
}

/* Where it has begun, the container is there already. */
static bool makes(const struct operation *x, const char *container_id)
{
	return x->attempts == 0 &&
	       (x->order.op == OP_CONTAINER_CREATE || x->order.op == OP_CONTAINER_COPY) &&
	       strcmp(x->order.container_id, container_id) == 0;
}

void unfinished_follow_owner(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	bool of_container = oprules_needs_container(o->op, o->params);

	for (const struct operation *x = a->engine->all; x; x = x->next) {
		if (of_container && makes(x, o->container_id))
			oprules_add_lane(l, "container", o->container_id);
		if (!of_container && x->order.op == OP_PROJECT_DELETE &&
			strcmp(x->order.project_id, o->project_id) == 0)
			oprules_add_lane(l, "project", o->project_id);
	}
}

static bool is_of_image(const struct operation *x, enum op op, const char *image)
{
	char name[IMAGELIST_NAME_MAX + 1];

	if (x->order.op != op)
		return false;
	imagelist_normalise(json_string_value(json_object_get(x->order.params, "image")), name);
	return strcmp(name, image) == 0;
}

bool unfinished_changes_image(const struct engine *e, const char *image, const char *digest)
{
	for (const struct operation *x = e->all; x; x = x->next) {
		const char *next = json_string_value(json_object_get(x->order.params, "sha256"));

		if (is_of_image(x, OP_IMAGE_REMOVE, image) ||
			(is_of_image(x, OP_IMAGE_PULL, image) && strcmp(next, digest) != 0))
			return true;
	}
	return false;
}

bool unfinished_makes_of_image(
	const struct engine *e, const struct operation *op, const char *image)
{
	for (const struct operation *x = e->all; x; x = x->next)
		if (x->row < op->row && is_of_image(x, OP_CONTAINER_CREATE, image))
			return true;
	return false;
}

void unfinished_follow_target(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	const char *id = json_string_value(
		json_object_get(json_object_get(o->params, "target"), "container_id"));

	if (!id || !desired_find(a->desired, id))
		return;
	for (const struct operation *x = a->engine->all; x; x = x->next)
		if (makes(x, id)) {
			oprules_add_lane(l, "container", id);
			return;
		}
}

const struct order *unfinished_find_share(const struct engine *e, const char *share_id)
{
	for (const struct operation *o = e->all; o; o = o->next) {
		const char *id = json_string_value(json_object_get(o->order.params, "share_id"));

		if (o->order.op == OP_SHARE_CREATE && id && strcmp(id, share_id) == 0)
			return &o->order;
	}
	return NULL;
}

bool unfinished_is_launching(const struct engine *e)
{
	for (const struct operation *o = e->holders; o; o = o->holder_next)
		if (!o->has_position && !o->at.undoing && o->def->steps[o->at.step].launches)
			return true;
	return false;
}

size_t unfinished_count(const struct engine *e)
{
	return e->n;
}
