/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ops/localorder.h"

#include <sodium.h>

#include "proto/jsonx.h"

#define NOBODYS_NODE "000000000000000000000000" /* a standalone node has no id */

static void random_hex(char *ret, size_t len)
{
	uint8_t bytes[IDENT_OPERATION_LEN / 2];

	randombytes_buf(bytes, len / 2);
	(void)sodium_bin2hex(ret, len + 1, bytes, len / 2);
}

void localorder_new_id(char ret[static IDENT_ID_LEN + 1])
{
	random_hex(ret, IDENT_ID_LEN);
}

int localorder_make(const struct agent *a, enum op op, const char *container_id,
	const char *project_id, json_t *params, struct order *ret, struct err *err)
{
	const char *node_id = a->conf.node.node_id;
	char id[IDENT_ID_LEN + 1], operation_id[IDENT_OPERATION_LEN + 1];
	char issued[IDENT_TIME_LEN + 1], expires[IDENT_TIME_LEN + 1];
	int64_t now_ms = agent_now_ms();
	_cleanup_(freep) char *text = NULL;
	_cleanup_json_ json_t *v = NULL;
	int r;

	random_hex(id, IDENT_ID_LEN);
	random_hex(operation_id, IDENT_OPERATION_LEN);
	ident_time_format(now_ms, issued);
	ident_time_format(now_ms + ORDER_VALIDITY_MS, expires);
	v = json_object();
	jsonx_set_int(v, "v", 1);
	jsonx_set_string(v, "id", id);
	jsonx_set_string(v, "node_id", node_id[0] ? node_id : NOBODYS_NODE);
	jsonx_set_string(v, "issued_at", issued);
	jsonx_set_string(v, "expires_at", expires);
	jsonx_set_string(v, "op", oprules_wire(op));
	jsonx_set_string(v, "operation_id", operation_id);
	if (container_id)
		jsonx_set_string(v, "container_id", container_id);
	if (project_id)
		jsonx_set_string(v, "project_id", project_id);
	jsonx_set(v, "params", json_incref(params));
	text = jsonx_dump(v);
	r = order_parse(text, strlen(text), ret, err);
	return r < 0 ? r : order_check(ret, err);
}
