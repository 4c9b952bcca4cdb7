/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node itself: keys, address, commands; and what it doesn't answer. */
#include <sodium.h>

#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/common/nodekey.h"
#include "agent/stats/nodestats.h"
#include "agent/stats/stats.h"
#include "proto/jsonx.h"

/* The description is a file of the tree, made a string by the build. */
extern const char api_openapi_json[];

void api_node_openapi(struct api_call *c)
{
	api_text(c, "application/json", api_openapi_json);
}

static json_t *key_json(const struct keyset_key *k)
{
	char hex[65], b64[64], b64url[64];

	(void)sodium_bin2hex(hex, sizeof(hex), k->public_key, sizeof(k->public_key));
	(void)sodium_bin2base64(b64, sizeof(b64), k->public_key, sizeof(k->public_key),
		sodium_base64_VARIANT_ORIGINAL);
	(void)sodium_bin2base64(b64url, sizeof(b64url), k->public_key, sizeof(k->public_key),
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return jsonx_pack("{s:s, s:s, s:s, s:s, s:s}", "kid", k->kid, "algorithm", "ed25519",
		"public_key_hex", hex, "public_key_b64", b64, "public_key_b64url", b64url);
}

/* The keys that this node trusts, and its own. */
void api_node_public_key(struct api_call *c)
{
	const struct agent *a = c->agent;
	json_t *keys = json_array();

	for (size_t i = 0; a->has_keyset && i < a->keyset.n_keys; i++)
		(void)json_array_append_new(keys, key_json(&a->keyset.keys[i]));
	api_whole(c, json_array_size(keys));
	api_ok(c, 200, "public keys",
		jsonx_pack("{s:o, s:o, s:[s], s:{s:s, s:s}}", "keys", keys, "active_kid",
			a->has_keyset ? json_string(a->keyset.keys[a->keyset.active].kid)
				      : json_null(),
			"usage", "orders", "node", "kid", a->nodekey->keyid, "public_key_hex",
			a->nodekey->public_key_hex));
}

/* A Unix socket has no address: the caller is a user of this host. */
void api_node_ip(struct api_call *c)
{
	api_ok(c, 200, "caller",
		jsonx_pack("{s:n, s:s, s:i, s:s}", "ip", "transport", "unix", "uid", (int)c->uid,
			"hostname", c->agent->conf.node.name));
}

static const struct command {
	const char *id, *slug, *name, *category, *risk;
} commands[] = {
	{ "000000000000000000000001", "check-uptime", "Show how long the host has been up",
		"diagnostics", "low" },
	{ "000000000000000000000002", "check-memory", "Show the host's memory", "diagnostics",
		"low" },
	{ "000000000000000000000003", "kexec-reboot", "Reboot without the firmware", "power",
		"high" },
	{ "000000000000000000000004", "restart", "Reboot", "power", "high" },
};

/* A node answers for itself. One without an id goes by any, and each by "node"; which rental it is,
 * it doesn't know. */
static bool is_this_one(struct api_call *c)
{
	const char *own = c->agent->conf.node.node_id;

	if (!own[0] || strcmp(c->args[0], own) == 0 || strcmp(c->args[0], "node") == 0 ||
		strncmp(c->route->path, "/servers/", strlen("/servers/")) != 0)
		return true;
	api_refuse(c, ERR_NOT_FOUND, "id", "%s is another server's: this is %s", c->args[0], own);
	return false;
}

static json_t *command_json(const struct command *c)
{
	json_t *v = json_object();

	jsonx_set_string(v, "id", c->id);
	jsonx_set_string(v, "slug", c->slug);
	jsonx_set_string(v, "name", c->name);
	jsonx_set_string(v, "description", c->name);
	jsonx_set_string(v, "category", c->category);
	jsonx_set_string(v, "risk_level", c->risk);
	jsonx_set_bool(v, "requires_confirmation", false);
	jsonx_set(v, "parameter_schema",
		jsonx_pack("{s:s, s:b}", "type", "object", "additionalProperties", 0));
	jsonx_set(v, "example_parameters", json_object());
	jsonx_set_int(v, "default_timeout", oprules_timeout_s(OP_NODE_COMMAND, NULL));
	jsonx_set_int(v, "cooldown_seconds", 0);
	jsonx_set(v, "rate_limit_per_hour", json_null());
	jsonx_set(v, "rate_limit_per_day", json_null());
	return v;
}

void api_node_commands(struct api_call *c)
{
	json_t *list;

	if (!is_this_one(c))
		return;
	list = json_array();
	for (size_t i = 0; i < countof(commands); i++)
		(void)json_array_append_new(list, command_json(&commands[i]));
	api_list(c, "commands", list,
		jsonx_pack("{s:{s:s, s:s, s:b, s:n}}", "server_info", "id",
			c->agent->conf.node.node_id, "name", c->agent->conf.node.name, "is_ready",
			1, "rental_status"));
}

/* The command that the body names, by any of its names; they may not differ. NULL: refused. */
static const struct command *named(struct api_call *c)
{
	const json_t *by_word = json_object_get(c->body, "command");
	const char *id = json_string_value(json_object_get(c->body, "command_id")), *slug;

	if (!by_word)
		by_word = json_object_get(c->body, "command_slug");
	slug = json_string_value(by_word);
	for (size_t i = 0; (id || slug) && i < countof(commands); i++)
		if ((!id || strcmp(id, commands[i].id) == 0) &&
			(!slug || strcmp(slug, commands[i].slug) == 0))
			return &commands[i];
	api_refuse(c, ERR_INVALID_PARAMS, id ? "command_id" : "command",
		"%s must name one of the list", id ? "command_id" : "command");
	return NULL;
}

static void take_timeout(const struct api_call *c, json_t *params)
{
	const json_t *said = json_object_get(c->body, "timeout");

	if (!said)
		said = json_object_get(c->body, "timeout_s");
	if (said)
		jsonx_set_int(params, "timeout_s", json_integer_value(said));
}

void api_node_execute(struct api_call *c)
{
	const struct command *command = is_this_one(c) ? named(c) : NULL;
	json_t *params;
	int64_t end_ms;

	if (!command)
		return;
	params = jsonx_pack("{s:s}", "command", command->slug);
	take_timeout(c, params);
	c->answer = jsonx_pack("{s:s}", "command_id", command->id);
	if (json_is_false(json_object_get(c->body, "wait"))) {
		end_ms = agent_now_ms() + 1000LL * oprules_timeout_s(OP_NODE_COMMAND, params);
		c->async = true;
		jsonx_set_string(c->answer, "status", "pending");
		jsonx_set(c->answer, "estimated_completion", jsonx_time(end_ms));
	}
	api_order(c, OP_NODE_COMMAND, NULL, NULL, params);
}

/* How the host does, as far as the node knows: all of it, since a node has no slices. */
void api_node_runtime(struct api_call *c)
{
	if (is_this_one(c))
		api_ok(c, 200, "runtime", nodestats_runtime(stats_of_node(c->agent->stats)));
}

void api_node_control_plane(struct api_call *c)
{
	api_refuse(c, ERR_NOT_OF_THE_NODE, NULL,
		"%s belongs to the control plane: ask the control API, not a node", c->route->path);
}
