/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The portal's connections, so that whoever only holds one keeps nobody out.
 *
 * One waits for its client until the agent has a whole request of it, and again when it is
 * answered. When there are as many as can be, each that comes sends one away: that which has waited
 * for its client longest. So a client that asks at once is served, however many are silent, send
 * bit by bit, or don't read. While all have asked and none is answered, there is no room. */
#pragma once

#include "proto/base.h"

struct portal_crowd_member {
	struct portal_crowd_member *prev, *next; /* among those that wait */
	int fd;
	bool waits;
	bool leaves; /* was sent away, and is yet to go */
};

struct portal_crowd {
	struct portal_crowd_member *first, *last; /* wait, the longest first */
	unsigned n;                               /* all but those that leave */
	unsigned max;
};

/* For one more, who may then have another sent away. */
bool portal_crowd_has_room(const struct portal_crowd *c);

/* A connection that was accepted on @fd (borrowed until it leaves). It begins to wait. */
struct portal_crowd_member *portal_crowd_enter(struct portal_crowd *c, int fd);
void portal_crowd_leave(struct portal_crowd *c, struct portal_crowd_member *m);

void portal_crowd_wait(struct portal_crowd *c, struct portal_crowd_member *m);
void portal_crowd_work(struct portal_crowd *c, struct portal_crowd_member *m);
