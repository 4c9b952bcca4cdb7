/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ops on containers share: their container, the statuses that allow them, and the status
 * that they leave it in. */
#pragma once

#include "agent/ops/ops.h"

/* The order's container, or NULL. */
struct container *opstate_container(struct agent *a, const struct operation *op);

/* op->err says it. */
enum opdef_verdict opstate_refuse(
	struct operation *op, int r, enum errcode code, const char *sentence);

/* Likewise, of what desired_add() returned: @r. */
int opstate_no_room(struct operation *op, int r);

/* The statuses that allow an op, as bits. */
#define OPSTATE(status) (1u << CT_##status)
enum opdef_verdict opstate_check(struct agent *a, struct operation *op, unsigned allowed);

/* What an order's reports call the cause. */
const char *opstate_cause(const struct operation *op);

/* What a job on many containers needs of each: [{id, id_base, image}]; of all with @project_id
 * NULL. */
json_t *opstate_brief(struct agent *a, const char *project_id);
/* The first status that a container has, with which its log begins. */
void opstate_begin(
	struct agent *a, const struct operation *op, struct container *c, enum ct_status to);
/* Record and report the status of one of several. */
void opstate_move_one(
	struct agent *a, struct operation *op, struct container *c, enum ct_status to);

/* Record and report the status, and make it the operation's result. */
void opstate_move(struct agent *a, struct operation *op, enum ct_status to);
void opstate_running(struct agent *a, struct operation *op);
/* The same of one that may have run before: it has been halted and launched since. */
void opstate_running_anew(struct agent *a, struct operation *op);
void opstate_stopped(struct agent *a, struct operation *op);
void opstate_paused(struct agent *a, struct operation *op);
/* What is shared with this container, or project, alone is about to go with it: report it. */
void opstate_tell_shares_end(struct agent *a, const char *target_id);
/* It is no more, and with it all rows that are its own. */
void opstate_forget(struct agent *a, struct container *c);
/* params of a launch: what of the node's wishes the worker needs for it. */
json_t *opstate_launch_params(struct agent *a, const struct operation *op);
/* params of the removal of its root: what goes with it. */
json_t *opstate_remove_params(struct agent *a, const struct operation *op);
/* OPS_UNPAUSED is skipped, but where it is undone and the container was paused. */
bool opstate_stays_unpaused(const struct operation *op);
/* Its removal failed. What runs has not been touched; of any other the root is in doubt. */
void opstate_not_deleted(struct agent *a, struct operation *op, struct container *c);
/* It failed: the status is what the kernel says; FAILED, where it was that and nothing runs. */
void opstate_as_observed(struct agent *a, struct operation *op);
