/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage shares (hoody-api.md section 17). */
#include "agent/api/api_body.h"
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/ops/localorder.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "agent/state/sharelist.h"
#include "proto/jsonx.h"

/* What has expired is on its way out, and shown to who asks for it. */
static void answer(struct api_call *c, json_t *list_steals)
{
	int64_t now_s = journal_trusted_now_ms(c->agent->store) / 1000;

	for (size_t i = json_array_size(list_steals); i > 0; i--) {
		const json_t *end =
			json_object_get(json_array_get(list_steals, i - 1), "expires_at");

		if (json_is_integer(end) && json_integer_value(end) <= now_s &&
			!api_query_flag(c, "include_expired"))
			(void)json_array_remove(list_steals, i - 1);
	}
	api_list(c, "shares", list_steals, NULL);
}

void api_share_all(struct api_call *c)
{
	answer(c, sharelist_all(c->agent->store));
}

void api_share_list(struct api_call *c)
{
	const struct container *found = api_container(c);

	if (found)
		answer(c, sharelist_of_source(c->agent->store, found->spec.id));
}

/* The receiver does not see what the creator calls it. */
static json_t *incoming(const struct agent *a, const struct container *of)
{
	json_t *list = sharelist_incoming(a->store, of->spec.id, of->spec.project_id, NULL,
		       /* now_ms= */ 0),
	       *share;
	size_t i;

	json_array_foreach(list, i, share) {
		(void)json_object_del(share, "alias");
		(void)json_object_del(share, "label");
		(void)json_object_del(share, "description");
		jsonx_set_string(share, "receiving_container_id", of->spec.id);
	}
	return list;
}

void api_share_incoming(struct api_call *c)
{
	const struct container *found = api_container(c);

	if (found)
		answer(c, incoming(c->agent, found));
}

void api_share_all_incoming(struct api_call *c)
{
	struct desired *d = c->agent->desired;
	json_t *all = json_array();

	for (size_t i = 0; i < desired_count(d); i++) {
		json_t *some = incoming(c->agent, desired_at(d, i));

		(void)json_array_extend(all, some);
		json_decref(some);
	}
	answer(c, all);
}

/* The share of the route's argument @i. NULL: refused. */
static json_t *find(struct api_call *c, int i)
{
	json_t *share = sharelist_get(c->agent->store, c->args[i]);

	if (!share)
		api_refuse(
			c, ERR_NOT_FOUND, "share", "there is no share %s on this node", c->args[i]);
	return share;
}

static bool is_of(struct api_call *c, const json_t *share)
{
	const char *source = json_string_value(json_object_get(share, "source_container_id"));

	if (strcmp(source, c->args[0]) == 0)
		return true;
	api_refuse(c, ERR_NOT_FOUND, "share", "the container has no share %s", c->args[1]);
	return false;
}

void api_share_get(struct api_call *c)
{
	json_t *share = api_container(c) ? find(c, 1) : NULL;

	if (share && is_of(c, share))
		api_ok(c, 200, "share", json_incref(share));
	json_decref(share);
}

void api_share_create(struct api_call *c)
{
	const char *project = json_string_value(json_object_get(c->body, "target_project_id"));
	const struct container *found = api_container(c);
	char id[IDENT_ID_LEN + 1];
	struct err err = {};
	json_t *params;

	if (!found || (project && !api_project_may_take(c, "target_project_id", project)))
		return;
	params = api_body_params(OP_SHARE_CREATE, c, &err);
	if (!params) {
		api_fail(c, &err, NULL);
		return;
	}
	localorder_new_id(id);
	jsonx_set_string(params, "share_id", id);
	jsonx_set_string(params, "source_container_id", found->spec.id);
	if (!json_object_get(params, "mode"))
		jsonx_set_string(params, "mode", "readonly");
	api_order(c, OP_SHARE_CREATE, NULL, NULL, params);
}

/* The body's members with the share's id. */
static void order(struct api_call *c, enum op op, const char *share_id, const char *container_id)
{
	struct err err = {};
	json_t *params = api_body_params(op, c, &err);

	if (!params) {
		api_fail(c, &err, NULL);
		return;
	}
	jsonx_set_string(params, "share_id", share_id);
	if (container_id)
		jsonx_set_string(params, "container_id", container_id);
	api_order(c, op, NULL, NULL, params);
}

void api_share_update(struct api_call *c)
{
	_cleanup_json_ json_t *share = api_container(c) ? find(c, 1) : NULL;

	if (share && is_of(c, share))
		order(c, OP_SHARE_UPDATE, c->args[1], NULL);
}

void api_share_delete(struct api_call *c)
{
	_cleanup_json_ json_t *share = find(c, 0);

	if (share)
		api_order(c, OP_SHARE_DELETE, NULL, NULL,
			jsonx_pack("{s:s}", "share_id", c->args[0]));
}

void api_share_mount(struct api_call *c)
{
	const struct container *found = api_container(c);
	_cleanup_json_ json_t *share = found ? find(c, 1) : NULL;

	if (share)
		order(c, OP_SHARE_MOUNT, c->args[1], found->spec.id);
}
