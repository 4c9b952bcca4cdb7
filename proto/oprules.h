/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ops of PROTOCOL.md section 5 as one table: what each takes, needs and touches. Pure.
 *
 * enum op, its wire name, whether container_id and project_id are required, its kind (set: edits
 * wanted state; act: a list of steps), the lanes it joins, and the schema of its params all stand
 * in one row of oprules.c. Unknown params are an error: a constraint that is not understood must
 * not be skipped. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

struct opschema;

enum op {
	OP_NONE = 0,
	OP_CONTAINER_CREATE,
	OP_CONTAINER_UPDATE,
	OP_CONTAINER_KVM,
	OP_CONTAINER_DELETE,
	OP_CONTAINER_START,
	OP_CONTAINER_STOP,
	OP_CONTAINER_FORCE_STOP,
	OP_CONTAINER_RESTART,
	OP_CONTAINER_PAUSE,
	OP_CONTAINER_RESUME,
	OP_CONTAINER_COPY,
	OP_CONTAINER_SYNC,
	OP_ENV_MERGE,
	OP_ENV_SET,
	OP_ENV_UNSET,
	OP_SNAPSHOT_CREATE,
	OP_SNAPSHOT_RESTORE,
	OP_SNAPSHOT_DELETE,
	OP_SNAPSHOT_ALIAS,
	OP_FIREWALL_ADD,
	OP_FIREWALL_TOGGLE,
	OP_FIREWALL_REMOVE,
	OP_FIREWALL_REPLACE,
	OP_FIREWALL_RESET,
	OP_NETWORK_CONFIGURE,
	OP_NETWORK_START,
	OP_NETWORK_STOP,
	OP_NETWORK_REMOVE,
	OP_SHARE_CREATE,
	OP_SHARE_UPDATE,
	OP_SHARE_DELETE,
	OP_SHARE_MOUNT,
	OP_IMAGE_PULL,
	OP_IMAGE_REMOVE,
	OP_PROXY_DOCUMENT,
	OP_PROXY_ALIAS,
	OP_PROJECT_DELETE,
	OP_NODE_COMMAND,
	OP_NODE_RESYNC,
	OP_NODE_KEYSET,
	OP_COUNT
};

/* Set ops edit the wanted state, act ops are lists of steps. */
enum oprules_kind {
	OPRULES_SET,
	OPRULES_ACT,
};

/* Which lanes an op joins (section 4). Lanes are named by text: "container:<id>", "project:<id>",
 * "share:<id>", "document:<id>", "image", "proxy" (of aliases), "node". A share's lane keeps its
 * own orders in sequence: share.update and .delete don't name the containers. */
#define OPRULES_LANE_LEN 40

struct oprules_lanes {
	size_t n, allocated;
	char (*name)[OPRULES_LANE_LEN];
};

void oprules_lanes_done(struct oprules_lanes *l);
#define _cleanup_lanes_ _cleanup_(oprules_lanes_done)

/* OP_NONE when unknown. */
enum op oprules_find(const char *wire);
const char *oprules_wire(enum op op);
enum oprules_kind oprules_kind(enum op op);

/* Does section 3 require these members of the order for this op? (proxy.document: by its scope;
 * share ops and OP_NONE: no) */
bool oprules_needs_container(enum op op, const json_t *params);
bool oprules_needs_project(enum op op, const json_t *params);

/* What the op takes, besides timeout_s. */
const struct opschema *oprules_schema(enum op op);

/* Check @params against the op's row. Returns 0, or -EINVAL with ERR_INVALID_PARAMS, field (the
 * first offender, dotted: "rule.destination_port", "dns_servers[2]") and reason (the published
 * code, where there is one). Unknown members of an object come first, then its members in the
 * table's order, then what concerns several of them. */
_must_check_ int oprules_check(enum op op, const json_t *params, struct err *err);

/* The lanes that a valid order joins, each once. The ids may be empty where they are not required.
 * What an op touches beyond what its order names (a sync's source, a share's containers, a
 * project's containers) only the store knows: the caller adds it. */
void oprules_lanes(enum op op, const char *container_id, const char *project_id,
	const json_t *params, struct oprules_lanes *ret);

/* One more lane, unless it is there already; @kind alone with @id NULL, none with an empty one. */
void oprules_add_lane(struct oprules_lanes *l, const char *kind, const char *id);
/* One that is not there yet, as the caller knows. */
void oprules_append_lane(struct oprules_lanes *l, const char *kind, const char *id);

bool oprules_has_lane(const struct oprules_lanes *l, const char *name);

/* Seconds that the op may take: params.timeout_s, else the op's default. */
unsigned oprules_timeout_s(enum op op, const json_t *params);
