/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/couriersetup.h"

#include "agent/common/cafile.h"
#include "agent/common/nodekey.h"
#include "proto/jsonx.h"

/* What nobody has held against UTF-8 before: @setting says where it is from. */
static int put(
	json_t *setup, const char *member, const char *text, const char *setting, struct err *err)
{
	return json_object_set_new(setup, member, json_string(text)) == 0
		       ? 0
		       : err_set(err, -EINVAL, ERR_CONFIG, setting, "%s is not UTF-8", setting);
}

static int make(const struct agent *a, json_t **ret, struct err *err)
{
	_cleanup_(nodekey_token_freep) char *token = NULL;
	_cleanup_json_ json_t *setup = NULL;
	_cleanup_(freep) char *ca = NULL;
	int r = nodekey_token_read(a->conf.control.token_file, &token, err);

	if (r < 0)
		return r;
	setup = json_object();
	jsonx_set_string(setup, "api_url", a->conf.control.api_url);
	jsonx_set_string(setup, "node_id", a->conf.node.node_id);
	jsonx_set_string(setup, "node_token", token);
	jsonx_set_string(setup, "user_agent", "hoody-agent/" PACKAGE_VERSION);
	jsonx_set_string(setup, "response_signature",
		a->conf.control.response_signature == CONF_SIGNATURE_REQUIRED ? "required"
									      : "optional");
	jsonx_set_string(setup, "ca_pem", NULL);
	r = put(setup, "hostname", a->conf.node.name, "Node.Name", err);
	if (r >= 0)
		r = cafile_read(a->conf.control.ca_file, "Control.CaFile", &ca, err);
	if (r >= 0 && ca)
		r = put(setup, "ca_pem", ca, "Control.CaFile", err);
	if (r < 0)
		return r;
	*ret = TAKE(setup);
	return 0;
}

static void forget(char *text)
{
	sodium_memzero(text, strlen(text));
	free(text);
}

static void digest(const json_t *setup, struct couriersetup *ret)
{
	char *text = jsonx_dump(setup);

	(void)crypto_generichash(
		ret->digest, sizeof(ret->digest), (const uint8_t *)text, strlen(text), NULL, 0);
	forget(text);
}

int couriersetup_send(
	const struct agent *a, struct channel *ch, struct couriersetup *ret_told, struct err *err)
{
	_cleanup_(freep) char *keys = a->has_keyset ? keyset_format(&a->keyset) : NULL;
	_cleanup_json_ json_t *setup = NULL;
	char *text;
	int r = make(a, &setup, err);

	if (r < 0)
		return r;
	digest(setup, ret_told);
	jsonx_set(setup, "keyset", keys ? json_loads(keys, 0, NULL) : json_null());
	text = jsonx_dump(setup);
	r = channel_send(
		ch, &(struct frame){ .type = FRAME_COURIER_SETUP }, text, strlen(text), -1);
	forget(text);
	return r;
}

int couriersetup_has_changed(
	const struct agent *a, const struct couriersetup *told, struct err *err)
{
	_cleanup_json_ json_t *setup = NULL;
	struct couriersetup now;
	int r = make(a, &setup, err);

	if (r < 0)
		return r;
	digest(setup, &now);
	return memcmp(&now, told, sizeof(now)) != 0;
}
