/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes: which operation may run now (PROTOCOL.md section 4). Pure.
 *
 * A lane is a named queue: one per container and project, and one each for images, proxy documents
 * and the node. An operation joins the tail of every lane that it needs in one go, in the order of
 * acceptance, and may run when it is first in all of them. Since all join in one order, the
 * waits-for graph can have no cycle: there is nothing to lock and nothing to time out. A lane
 * vanishes with its last ticket. */
#pragma once

#include "proto/base.h"
#include "proto/oprules.h"

struct lane;
struct lane_table;

struct lane_slot {
	struct lane *lane;
	struct lane_ticket *ticket;
	struct lane_slot *next; /* behind us in the same lane */
};

/* Embedded in what waits. All fields are lane.c's. */
struct lane_ticket {
	size_t n;
	struct lane_slot *slots;
	unsigned ahead; /* lanes in which somebody is before us */
};

struct lane_table *lane_table_new(void);
struct lane_table *lane_table_free(struct lane_table *t); /* all tickets must have left */

/* Join the tail of each lane; no lane twice. Returns true when the ticket is first in all of them:
 * it may run at once. */
bool lane_join(struct lane_table *t, struct lane_ticket *ticket, const struct oprules_lanes *lanes);

/* Leave all lanes; only a ticket that may run leaves. Calls @ready for each ticket that may run now
 * because of it. */
void lane_leave(struct lane_table *t, struct lane_ticket *ticket,
	void (*ready)(struct lane_ticket *ticket, void *userdata), void *userdata);

/* Take a ticket out in whatever place it is, with no word to those behind: for the end of the
 * process alone. */
void lane_forget(struct lane_table *t, struct lane_ticket *ticket);

/* Is somebody in the lane of that name? */
bool lane_is_busy(const struct lane_table *t, const char *name);

/* Does it wait, or stand first, in the lane of that name? */
bool lane_is_joined(const struct lane_ticket *ticket, const char *name);
