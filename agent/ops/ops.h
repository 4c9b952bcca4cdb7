/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an order is: each op is a row of its family's table, as agent/engine/op.h has it. */
#pragma once

#include "agent/engine/engine.h"
#include "agent/engine/op.h"

/* A container's init runs, and the firewall knows it before. */
#define OPS_LAUNCH                                                          \
	.job = "launch", .has_undo = true, .params = opstate_launch_params, \
	.here = ctnet_before_launch
/* It is killed, to run again: undone by a launch. */
#define OPS_HALT                                                          \
	.job = "halt", .has_undo = true, .params = opstate_launch_params, \
	.undo_here = ctnet_before_launch

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
