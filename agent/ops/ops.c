/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/ops.h"

static const struct opdef *find_in(const struct opdef *defs, size_t n, enum op op)
{
	for (size_t i = 0; i < n; i++)
		if (defs[i].op == op)
			return &defs[i];
	return NULL;
}

const struct opdef *ops_find(enum op op)
{
	const struct {
		const struct opdef *defs;
		size_t n;
	} families[] = { { ops_container, ops_container_count },
		{ ops_snapshot, ops_snapshot_count }, { ops_copy, ops_copy_count },
		{ ops_image, ops_image_count }, { ops_firewall, ops_firewall_count },
		{ ops_network, ops_network_count }, { ops_env, ops_env_count },
		{ ops_share, ops_share_count }, { ops_project, ops_project_count },
		{ ops_command, ops_command_count }, { ops_proxy, ops_proxy_count },
		{ ops_node, ops_node_count } };
	const struct opdef *def = NULL;

	for (size_t i = 0; !def && i < countof(families); i++)
		def = find_in(families[i].defs, families[i].n, op);
	return def;
}
