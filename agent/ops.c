/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops.h"

static const struct opdef *find_in(const struct opdef *defs, size_t n, enum op op)
{
	for (size_t i = 0; i < n; i++)
		if (defs[i].op == op)
			return &defs[i];
	return NULL;
}

const struct opdef *ops_find(enum op op)
{
	const struct opdef *def = find_in(ops_container, ops_container_count, op);

	return def ? def : find_in(ops_node, ops_node_count, op);
}
