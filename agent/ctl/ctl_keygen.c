/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl keygen: make the node's key if there is none, and show its public half. */
#include "agent/common/nodekey.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_conf.h"
#include "agent/ctl/ctl_out.h"
#include "proto/jsonx.h"

enum ctl_exit ctl_keygen(const struct ctl *ctl, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	_cleanup_(nodekey_freep) struct nodekey *k = NULL;
	enum ctl_exit e = ctl_conf_read(ctl, &c, err);
	_cleanup_json_ json_t *v = NULL;

	if (e != CTL_OK)
		return e;
	if (nodekey_load(c.node.state_directory, /* create= */ true, &k, err) < 0)
		return CTL_FAILED;
	if (!ctl->json) {
		printf("public key  %s\nkey id      %s\nfile        %s/%s\n", k->public_key_hex,
			k->keyid, c.node.state_directory, NODEKEY_FILE);
		return CTL_OK;
	}
	v = jsonx_pack("{s:s, s:s, s:s+}", "public_key_hex", k->public_key_hex, "keyid", k->keyid,
		"file", c.node.state_directory, "/" NODEKEY_FILE);
	ctl_out_json(v);
	return CTL_OK;
}
