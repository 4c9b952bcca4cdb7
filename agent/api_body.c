/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api_body.h"

/* How a field's value becomes the parameter's. */
enum how {
	COPY,
	SKIP,       /* the control plane's alone */
	PORT,       /* 443 -> "443" */
	MODE,       /* rw, ro -> readwrite, readonly */
	UNLESS_RND, /* a name that isn't "rand" */
	BLOCKING,   /* true -> type block */
};

struct field {
	const char *from, *to;
	enum how how;
};

static const struct field create_fields[] = {
	{ "alias", "name", UNLESS_RND },
	{ "name", "name", UNLESS_RND },
	{ "container_image", "image" },
	{ "dev_kvm", "kvm" },
	{ "server_id", NULL, SKIP },
	{ "color", NULL, SKIP },
	{ "ai", NULL, SKIP },
	{ "comment", NULL, SKIP },
	{ "dev_kit", NULL, SKIP },
	{ "cache", NULL, SKIP },
	{ "cache_image", NULL, SKIP },
	{ "bypass_prespawn", NULL, SKIP },
	{ "realm_ids", NULL, SKIP },
	{},
};

static const struct field update_fields[] = {
	{ "alias", "name" },
	{ "color", NULL, SKIP },
	{ "ai", NULL, SKIP },
	{ "comment", NULL, SKIP },
	{ "realm_ids", NULL, SKIP },
	{},
};

static const struct field kvm_fields[] = { { "dev_kvm", "kvm" }, {} };

static const struct field lifecycle_fields[] = { { "timeout", "timeout_s" }, {} };

static const struct field copy_fields[] = {
	{ "alias", "name", UNLESS_RND },
	{ "name", "name", UNLESS_RND },
	{ "dev_kvm", "kvm" },
	{ "target_project_id", NULL, SKIP }, /* api_container.c has taken it */
	{},
};

static const struct field rule_fields[] = {
	{ "port", "destination_port", PORT },
	{ "destination_port", "destination_port", PORT },
	{ "source_port", "source_port", PORT },
	{},
};

static const struct field network_fields[] = {
	{ "blocking", "type", BLOCKING },
	{},
};

static const struct field snapshot_fields[] = { { "name", "alias" }, { "expiry", "expiry_days" },
	{} };

static const struct field share_fields[] = {
	{ "path", "source_path" },
	{ "mode", "mode", MODE },
	{ "label", NULL, SKIP },
	{ "description", NULL, SKIP },
	{},
};

static const struct field mount_fields[] = { { "enabled", "mount" }, {} };

static const struct field none[] = { {} };

static json_t *port_of(const json_t *v)
{
	char text[24];

	if (!json_is_integer(v))
		return json_incref((json_t *)v);
	(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	return json_string(text);
}

static json_t *mode_of(const json_t *v)
{
	const char *s = json_string_value(v);

	if (s && strcmp(s, "rw") == 0)
		return json_string("readwrite");
	if (s && strcmp(s, "ro") == 0)
		return json_string("readonly");
	return json_incref((json_t *)v);
}

static void convert(const struct field *f, const json_t *v, json_t *params)
{
	const char *s = json_string_value(v);

	switch (f->how) {
	case SKIP:
		return;
	case PORT:
		(void)json_object_set_new(params, f->to, port_of(v));
		return;
	case MODE:
		(void)json_object_set_new(params, f->to, mode_of(v));
		return;
	case UNLESS_RND:
		if (s && strcmp(s, "rand") == 0)
			return;
		break;
	case BLOCKING:
		if (json_is_true(v))
			(void)json_object_set_new(params, f->to, json_string("block"));
		return;
	case COPY:
		break;
	}
	(void)json_object_set(params, f->to, (json_t *)v);
}

static json_t *map(const struct field *fields, const json_t *body)
{
	json_t *params = json_object(), *v;
	const char *key;

	json_object_foreach((json_t *)body, key, v)
	{
		const struct field *f = fields;

		while (f->from && strcmp(f->from, key) != 0)
			f++;
		if (f->from)
			convert(f, v, params);
		else
			(void)json_object_set(params, key, v);
	}
	return params;
}

/* --- ops whose parameters have a shape of their own --- */

static json_t *direction_of(const struct api_call *c)
{
	const char *end = strrchr(c->route->path, '/');

	return json_string(end + 1); /* …/firewall/ingress */
}

/* Filters are nested in one spelling and flat in the other. */
static json_t *firewall_change(const struct api_call *c, json_t *fields_steals)
{
	json_t *fields = fields_steals, *nested = json_object_get(fields, "filters");
	json_t *params = json_pack("{s:o}", "direction", direction_of(c));
	static const char *const own[] = { "all", "timeout_s" };

	if (json_is_object(nested)) {
		json_t *mapped = map(rule_fields, nested);

		(void)json_object_update_missing(fields, mapped);
		json_decref(mapped);
	}
	(void)json_object_del(fields, "filters");
	for (size_t i = 0; i < countof(own); i++) {
		json_t *v = json_object_get(fields, own[i]);

		if (v)
			(void)json_object_set(params, own[i], v);
		(void)json_object_del(fields, own[i]);
	}
	if (c->route->op == OP_FIREWALL_TOGGLE) {
		json_t *state = json_object_get(fields, "state");

		if (state)
			(void)json_object_set(params, "state", state);
		(void)json_object_del(fields, "state");
	}
	if (json_object_size(fields) > 0)
		(void)json_object_set(params, "filters", fields);
	json_decref(fields);
	return params;
}

static json_t *firewall_rule(const struct api_call *c, json_t *fields_steals)
{
	return json_pack("{s:o, s:o}", "direction", direction_of(c), "rule", fields_steals);
}

static json_t *variables(const struct api_call *c, json_t *fields_steals)
{
	return json_pack("{s:o}", "vars", fields_steals);
}

/* The name in the path is a parameter like those of the body. */
static json_t *with_key(const struct api_call *c, json_t *params)
{
	(void)json_object_set_new(params, "key", json_string(c->args[1]));
	return params;
}

static json_t *with_name(const struct api_call *c, json_t *params)
{
	(void)json_object_set_new(params, "name", json_string(c->args[1]));
	return params;
}

/* {"mode":"proxy"} names no proxy: Network.DefaultProxy is meant. */
static json_t *network_mode(const struct api_call *c, json_t *params)
{
	const char *mode = json_string_value(json_object_get(params, "mode")),
		   *proxy = c->agent->conf.network.default_proxy;

	if (!mode || strcmp(mode, "proxy") != 0)
		return params;
	(void)json_object_del(params, "mode");
	if (!*proxy || json_object_get(params, "type"))
		return params;
	(void)json_object_set_new(params, "type", json_stringn(proxy, strcspn(proxy, ":")));
	(void)json_object_set_new(params, "proxy", json_string(proxy));
	return params;
}

static json_t *as_it_is(const struct api_call *c, json_t *params)
{
	return params;
}

/* --- the table; an op that isn't here has its parameters' names in both spellings --- */

static const struct row {
	enum op op;
	const struct field *fields;
	json_t *(*shape)(const struct api_call *c, json_t *fields_steals);
} rows[] = {
	{ OP_CONTAINER_CREATE, create_fields, as_it_is },
	{ OP_CONTAINER_UPDATE, update_fields, as_it_is },
	{ OP_CONTAINER_KVM, kvm_fields, as_it_is },
	{ OP_CONTAINER_START, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_STOP, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_FORCE_STOP, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_RESTART, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_PAUSE, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_RESUME, lifecycle_fields, as_it_is },
	{ OP_CONTAINER_COPY, copy_fields, as_it_is },
	{ OP_ENV_MERGE, none, variables },
	{ OP_ENV_SET, none, with_key },
	{ OP_ENV_UNSET, none, with_key },
	{ OP_FIREWALL_ADD, rule_fields, firewall_rule },
	{ OP_FIREWALL_TOGGLE, rule_fields, firewall_change },
	{ OP_FIREWALL_REMOVE, rule_fields, firewall_change },
	{ OP_NETWORK_CONFIGURE, network_fields, network_mode },
	{ OP_SNAPSHOT_CREATE, snapshot_fields, as_it_is },
	{ OP_SNAPSHOT_RESTORE, none, with_name },
	{ OP_SNAPSHOT_DELETE, none, with_name },
	{ OP_SNAPSHOT_ALIAS, none, with_name },
	{ OP_SHARE_CREATE, share_fields, as_it_is },
	{ OP_SHARE_UPDATE, share_fields, as_it_is },
	{ OP_SHARE_MOUNT, mount_fields, as_it_is },
};

json_t *api_body_params(enum op op, const struct api_call *c, struct err *err)
{
	static const struct row other = { OP_NONE, none, as_it_is };
	const struct row *row = &other;
	json_t *fields;

	if (c->body && !json_is_object(c->body)) {
		(void)err_set(
			err, -EINVAL, ERR_INVALID_PARAMS, "body", "the body must be a JSON object");
		return NULL;
	}
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].op == op)
			row = &rows[i];
	fields = c->body ? map(row->fields, c->body) : json_object();
	return row->shape(c, fields);
}
