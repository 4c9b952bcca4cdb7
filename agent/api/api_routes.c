/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"

const struct api_route api_routes[] = {
#define X(method, path, handle, op, form, summary) \
	{ method, path, handle, OP_##op, API_FORM_##form, summary },
#define C(method, path) { method, path, api_node_control_plane, OP_NONE, API_FORM_UNREAD, "" },
#include "agent/api/api_routes.def"
#undef X
#undef C
};
const size_t api_routes_count = countof(api_routes);
