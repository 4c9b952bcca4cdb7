/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of hoody-netproxy: one process per container in proxy mode, which outlives the
 * agent as containers do. The agent makes its sockets, tells it upstream and name servers, hears of
 * faults, and starts it again, with back-off, when it dies; meanwhile the table lets nothing out.
 *
 * What a later agent must know of it lies in RuntimeDirectory/netproxy/<container id>.json; it
 * answers on the socket of that name without the suffix. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "proto/base.h"
#include "proto/err.h"

struct forwarder_set;

/* Who knows the containers that forwarders belong to. */
struct forwarder_owner {
	/* It has a fault, or has it no more. */
	void (*changed)(struct agent *a, const char *container_id);
	/* It has died: have it run anew, if it is wanted, since the table has to know the new one's
	 * port. */
	int (*respawn)(struct agent *a, const char *container_id, struct err *err);
};

/* @owner stays the caller's. */
_must_check_ int forwarder_set_new(struct agent *a, const struct forwarder_owner *owner,
	struct forwarder_set **ret, struct err *err);
/* The processes stay. */
struct forwarder_set *forwarder_set_free(struct forwarder_set *s);

/* Have it run for this container, with this mode (as agent/state/netlist has it; not block), and
 * say the port of 127.0.0.1 that it listens on, for TCP and UDP. One that runs is told the mode,
 * and takes it over without a break when it is the one that it has. */
_must_check_ int forwarder_run(struct agent *a, const char *container_id, const json_t *mode,
	uint16_t *ret_port, struct err *err);
/* Not there: nothing. */
void forwarder_stop(struct agent *a, const char *container_id);
/* At start, after those that are wanted were asked for: the others end. */
void forwarder_set_sweep(struct agent *a);

/* The proxies' names may be others' now, or can be resolved at last: look. */
void forwarder_names_changed(struct agent *a);

struct forwarder_state {
	bool is_running;
	/* or NULL; the forwarder's own, or its upstream's; until the loop's next turn */
	const char *fault;
	enum errcode code; /* the fault's, or ERR_NONE */
};
struct forwarder_state forwarder_look(struct agent *a, const char *container_id);
