/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_body.h"

#include "agent/common/api_form.h"
#include "proto/jsonx.h"
#include "proto/opfield.h"

/* --- ops whose parameters have a shape of their own; each takes the members over --- */

static json_t *direction_of(const struct api_call *c)
{
	const char *end = strrchr(c->route->path, '/');

	return json_string(end + 1); /* …/firewall/ingress */
}

static void move(json_t *from, const char *name, json_t *to)
{
	json_t *v = json_object_get(from, name);

	if (v)
		jsonx_set(to, name, json_incref(v));
	(void)json_object_del(from, name);
}

/* Filters are nested in one spelling and flat in the other; both may not say different things. */
static json_t *firewall_change(const struct api_call *c, json_t *fields_steals, struct err *err)
{
	json_t *fields = fields_steals, *nested = json_incref(json_object_get(fields, "filters"));
	json_t *params = jsonx_pack("{s:o}", "direction", direction_of(c)), *v;
	const char *name;

	(void)json_object_del(fields, "filters");
	move(fields, "all", params);
	if (c->route->op == OP_FIREWALL_TOGGLE)
		move(fields, "state", params);
	json_object_foreach(nested, name, v) {
		const json_t *flat = json_object_get(fields, name);

		if (flat && !json_equal(flat, v))
			(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, name,
				"%s differs from that of filters", name);
		jsonx_set(fields, name, json_incref(v));
	}
	if (json_object_size(fields) > 0 || nested)
		jsonx_set(params, "filters", json_incref(fields));
	json_decref(fields);
	json_decref(nested);
	return params;
}

static json_t *firewall_rule(const struct api_call *c, json_t *fields_steals, struct err *err)
{
	return jsonx_pack("{s:o, s:o}", "direction", direction_of(c), "rule", fields_steals);
}

static json_t *variables(const struct api_call *c, json_t *fields_steals, struct err *err)
{
	return jsonx_pack("{s:o}", "vars", fields_steals);
}

/* The name in the path is a parameter like those of the body. */
static json_t *with_key(const struct api_call *c, json_t *params, struct err *err)
{
	jsonx_set_string(params, "key", c->args[1]);
	return params;
}

static json_t *with_name(const struct api_call *c, json_t *params, struct err *err)
{
	jsonx_set_string(params, "name", c->args[1]);
	return params;
}

static void set_type(json_t *params, const char *member, const char *type, struct err *err)
{
	const char *said = json_string_value(json_object_get(params, "type"));

	if (said && strcmp(said, type) != 0)
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, member,
			"%s means type %s, and type says %s", member, type, said);
	jsonx_set_string(params, "type", type);
}

/* {"mode":"proxy"} without one means Network.DefaultProxy. The type of a proxy is its scheme. */
static void set_proxy(const struct api_call *c, json_t *params, struct err *err)
{
	const char *proxy = json_string_value(json_object_get(params, "proxy")),
		   *said = json_string_value(json_object_get(params, "type"));
	char type[16];

	if (said && strcmp(said, "block") == 0) {
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "mode",
			"mode proxy and type block exclude each other");
		return;
	}
	if (!proxy && !said) {
		proxy = c->agent->conf.network.default_proxy;
		if (*proxy)
			jsonx_set_string(params, "proxy", proxy);
	}
	if (!proxy || !*proxy) {
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "proxy",
			"proxy is missing, and Network.DefaultProxy names none");
		return;
	}
	(void)snprintf(type, sizeof(type), "%.*s", (int)strcspn(proxy, ":"), proxy);
	if (opfield_proxy_url.is(proxy))
		set_type(params, "mode", type, err);
	else
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "proxy", "proxy must be %s",
			opfield_proxy_url.must);
}

static json_t *network_mode(const struct api_call *c, json_t *params, struct err *err)
{
	_cleanup_(freep) char *mode = NULL;
	const char *said = json_string_value(json_object_get(params, "mode"));
	bool blocking = json_is_true(json_object_get(params, "blocking"));

	mode = said ? xstrdup(said) : NULL;
	(void)json_object_del(params, "mode");
	(void)json_object_del(params, "blocking");
	if (blocking)
		set_type(params, "blocking", "block", err);
	if (mode && strcmp(mode, "block") == 0)
		set_type(params, "mode", "block", err);
	else if (mode && blocking)
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "blocking",
			"blocking and mode proxy exclude each other");
	else if (mode)
		set_proxy(c, params, err);
	return params;
}

/* --- the table; an op that isn't here has the members as they are --- */

static const struct row {
	enum op op;
	json_t *(*shape)(const struct api_call *c, json_t *fields_steals, struct err *err);
} rows[] = {
	{ OP_ENV_MERGE, variables },
	{ OP_ENV_SET, with_key },
	{ OP_ENV_UNSET, with_key },
	{ OP_FIREWALL_ADD, firewall_rule },
	{ OP_FIREWALL_TOGGLE, firewall_change },
	{ OP_FIREWALL_REMOVE, firewall_change },
	{ OP_NETWORK_CONFIGURE, network_mode },
	{ OP_SNAPSHOT_RESTORE, with_name },
	{ OP_SNAPSHOT_DELETE, with_name },
	{ OP_SNAPSHOT_ALIAS, with_name },
};

json_t *api_body_params(enum op op, const struct api_call *c, struct err *err)
{
	json_t *params;

	if (api_form_check(c->route->form, c->body, err) < 0)
		return NULL;
	params = c->body ? api_form_params(c->route->form, c->body) : json_object();
	*err = (struct err){};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].op == op)
			params = rows[i].shape(c, params, err);
	if (!err->code)
		return params;
	json_decref(params);
	return NULL;
}
