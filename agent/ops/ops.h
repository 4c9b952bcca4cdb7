/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/ops: what an order is, and what follows from what happens.
 *
 * Here lie the ops, a file for each family (ops_*) with their common ground (opstate, distinct),
 * the orders that local people and the agent itself make (localorder, ownorder), what ends by time
 * (reaper, heldtime), what a boot and a shutdown ask for (bootstart), and what follows from
 * workers' results and containers' own ends (supervise).
 *
 * uplink, stats, api and daemon may call it. It may touch the wanted state, in the transaction that
 * ends an order, and the host by agent/host and by steps that workers do.
 *
 * This header: each op is a row of its family's table, as agent/engine/opdef.h has it. */
#pragma once

#include "agent/engine/engine.h"
#include "agent/engine/opdef.h"

/* A container's init runs, and the firewall knows it before. As long as container.start has: what
 * liblxc starts may wait for a word that never comes. */
#define OPS_LAUNCH                                                          \
	.job = "launch", .has_undo = true, .params = opstate_launch_params, \
	.here = ctnet_before_launch, .launches = true, .within_s = 60
/* It is killed, to run again: undone by a launch. */
#define OPS_HALT                                                          \
	.job = "halt", .has_undo = true, .params = opstate_launch_params, \
	.undo_here = ctnet_before_launch

/* Before that: nothing but its undo. One that was paused and was halted in vain is paused again. */
#define OPS_UNPAUSED .job = "thaw", .has_undo = true, .skip = opstate_stays_unpaused

/* NULL: this op is valid but ends failed with NOT_IMPLEMENTED. */
const struct opdef *ops_find(enum op op);

/* The rows of each family. */
extern const struct opdef ops_container[];
extern const size_t ops_container_count;
extern const struct opdef ops_snapshot[];
extern const size_t ops_snapshot_count;
extern const struct opdef ops_copy[];
extern const size_t ops_copy_count;
extern const struct opdef ops_image[];
extern const size_t ops_image_count;
extern const struct opdef ops_firewall[];
extern const size_t ops_firewall_count;
extern const struct opdef ops_env[];
extern const size_t ops_env_count;
extern const struct opdef ops_command[];
extern const size_t ops_command_count;
extern const struct opdef ops_project[];
extern const size_t ops_project_count;
extern const struct opdef ops_share[];
extern const size_t ops_share_count;
extern const struct opdef ops_proxy[];
extern const size_t ops_proxy_count;
extern const struct opdef ops_network[];
extern const size_t ops_network_count;
extern const struct opdef ops_node[];
extern const size_t ops_node_count;
