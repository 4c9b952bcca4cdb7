/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Permission documents, hooks and settings of the node's reverse proxy (hoody-api.md sections 12
 * to 15). A subject is a project or a container, with its document as it is stored; without one
 * everything is open.
 *
 * A call that reads shows a piece of it, with the version as ETag. A call that changes makes its
 * edit (a row of `edits`, by the route's end) in a copy and orders the whole as the next
 * version: so it is journaled like all else, and what two have read at once only one can write.
 * A container's document is changed only by who names the version that was read, a project's
 * also without that.
 *
 * Passwords are hashed before they are ordered, hooks get an id and their places. What the
 * pieces mean to a request is the proxy's own matter. */
#include <sodium.h>

#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/api/api_proxydoc.h"
#include "agent/engine/unfinished.h"
#include "agent/state/desired.h"
#include "agent/state/doclist.h"
#include "proto/jsonx.h"

#define SERVICE_HOOKS_MAX 8
#define HOOKS_MAX         32
#define ULID_LEN          26
#define SALT_SIZE         16

/* --- whose document --- */

struct subject {
	const char *scope, *id, *container_id, *project_id;
	json_t *document; /* never NULL: {} for none */
	int64_t version;
	bool exists;
};

static void subject_done(struct subject *s)
{
	json_decref(s->document);
}
#define _cleanup_subject_ _cleanup_(subject_done)

static bool find_subject(struct api_call *c, struct subject *ret)
{
	if (strncmp(c->route->path, "/projects/", strlen("/projects/")) == 0) {
		if (!api_project_is_known(c))
			return false;
		*ret = (struct subject){
			.scope = "project", .id = c->args[0], .project_id = c->args[0]
		};
	} else {
		const struct container *found = api_container(c);

		if (!found)
			return false;
		*ret = (struct subject){ .scope = "container",
			.id = found->spec.id,
			.container_id = found->spec.id,
			.project_id = found->spec.project_id };
	}
	ret->document = doclist_get(c->agent->store, ret->scope, ret->id, &ret->version);
	ret->exists = ret->document != NULL;
	if (!ret->document)
		ret->document = json_object();
	return true;
}

static json_t *member(json_t *document, const char *key)
{
	json_t *v = json_object_get(document, key);

	if (!json_is_object(v)) {
		v = json_object();
		jsonx_set(document, key, v);
	}
	return v;
}

/* --- what is read --- */

static void show(struct api_call *c, const struct subject *s, json_t *data_steals)
{
	char etag[32];

	(void)snprintf(etag, sizeof(etag), "file:v%lld", (long long)s->version);
	jsonx_set_int(data_steals, "file_version", s->version);
	jsonx_set_string(data_steals, "etag", etag);
	api_ok_with(c, 200, "proxy", data_steals, "ETag", etag);
}

static json_t *or_default(const struct subject *s, const char *key, json_t *fallback_steals)
{
	json_t *v = json_object_get(s->document, key);

	if (!v)
		return fallback_steals;
	json_decref(fallback_steals);
	return json_incref(v);
}

/* Without a document everything is open. */
static json_t *default_policy(const struct subject *s)
{
	return or_default(s, "default", json_string(s->exists ? "deny" : "allow"));
}

void api_proxy_get(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *v;

	if (!find_subject(c, &s))
		return;
	v = json_deep_copy(s.document);
	jsonx_set(v, "groups", or_default(&s, "groups", json_object()));
	jsonx_set(v, "permissions", or_default(&s, "permissions", json_object()));
	jsonx_set(v, "default", default_policy(&s));
	jsonx_set(v, "enable_proxy", or_default(&s, "enable_proxy", json_true()));
	show(c, &s, v);
}

void api_proxy_settings(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};

	if (find_subject(c, &s))
		show(c, &s,
			jsonx_pack("{s:o, s:o}", "enable_proxy",
				or_default(&s, "enable_proxy", json_true()), "default",
				default_policy(&s)));
}

void api_proxy_hooks(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *of_service;
	const char *name;
	size_t n = 0;

	if (!find_subject(c, &s))
		return;
	json_object_foreach(json_object_get(s.document, "hooks"), name, of_service)
		n += json_array_size(of_service);
	api_whole(c, n);
	show(c, &s, jsonx_pack("{s:o}", "hooks", or_default(&s, "hooks", json_object())));
}

void api_proxy_service_hooks(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *hooks;

	if (!find_subject(c, &s))
		return;
	hooks = json_object_get(json_object_get(s.document, "hooks"), c->args[1]);
	api_whole(c, json_array_size(hooks));
	show(c, &s,
		jsonx_pack("{s:s, s:o}", "service", c->args[1], "hooks",
			hooks ? json_incref(hooks) : json_array()));
}

/* A group is one rule, or a list of them. */
static size_t rules_of(const json_t *group)
{
	return json_is_array(group) ? json_array_size(group) : json_object_size(group) > 0;
}

void api_proxy_groups(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *list = json_array(), *group;
	const char *name;

	if (!find_subject(c, &s)) {
		json_decref(list);
		return;
	}
	json_object_foreach(json_object_get(s.document, "groups"), name, group)
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:I}", "name", name, "auth_rule_count",
				      (json_int_t)rules_of(group)));
	api_whole(c, json_array_size(list));
	show(c, &s, jsonx_pack("{s:o}", "groups", list));
}

/* Services that permissions or hooks name, once each. */
static json_t *services_of(const struct subject *s)
{
	_cleanup_json_ json_t *seen = json_object();
	json_t *list = json_array(), *v, *cell;
	const char *group, *name;

	json_object_foreach(json_object_get(s->document, "permissions"), group, v)
		json_object_foreach(v, name, cell)
			jsonx_set(seen, name, json_incref(cell));
	json_object_foreach(json_object_get(s->document, "hooks"), name, v)
		jsonx_set(seen, name, json_incref(v));
	json_object_foreach(seen, name, v)
		(void)json_array_append_new(list, json_string(name));
	return list;
}

void api_proxy_services(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *list;

	if (!find_subject(c, &s))
		return;
	list = services_of(&s);
	api_whole(c, json_array_size(list));
	show(c, &s, jsonx_pack("{s:o}", "services", list));
}

void api_proxy_service(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};
	json_t *permissions = json_object(), *v, *hooks;
	const char *group;

	if (!find_subject(c, &s)) {
		json_decref(permissions);
		return;
	}
	json_object_foreach(json_object_get(s.document, "permissions"), group, v)
		if (json_object_get(v, c->args[1]))
			jsonx_set(permissions, group, json_incref(json_object_get(v, c->args[1])));
	hooks = json_object_get(json_object_get(s.document, "hooks"), c->args[1]);
	show(c, &s,
		jsonx_pack("{s:s, s:b, s:o, s:o, s:o}", "service", c->args[1], "is_reject_listed",
			0, "permissions_raw", permissions, "hooks",
			hooks ? json_incref(hooks) : json_array(), "effective_default",
			default_policy(&s)));
}

/* --- what is changed --- */

/* Somebody who has read the same version was first, in this turn of the loop. */
static bool is_being_written(const struct api_call *c, const struct subject *s)
{
	const struct order *o = unfinished_find(
		c->agent->engine, OP_PROXY_DOCUMENT, s->container_id ? s->container_id : "");

	return o && (s->container_id || strcmp(o->project_id, s->id) == 0);
}

/* hoody-api.md section 13: a container's document is written by who has read it. */
static bool has_match(struct api_call *c, const struct subject *s)
{
	char etag[32], quoted[36];

	(void)snprintf(etag, sizeof(etag), "file:v%lld", (long long)s->version);
	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
	if (!c->if_match && s->container_id) {
		api_refuse(c, ERR_PRECONDITION_REQUIRED, "If-Match",
			"If-Match must have the document's etag, %s", etag);
		return false;
	}
	if (!c->if_match || ((strcmp(c->if_match, etag) == 0 || strcmp(c->if_match, quoted) == 0) &&
				    !is_being_written(c, s)))
		return true;
	api_refuse(c, ERR_PRECONDITION_FAILED, "If-Match", "etag_mismatch: the document's is %s",
		etag);
	return false;
}

/* @document NULL: deleted. */
static void order_document(struct api_call *c, const struct subject *s, json_t *document_steals)
{
	json_t *document = document_steals;

	if (document) {
		/* the first of them must not lock out whom nobody had forbidden anything */
		if (!s->exists && !json_object_get(document, "default"))
			jsonx_set(document, "default", default_policy(s));
		jsonx_set_int(document, "file_version", s->version + 1);
		jsonx_set_string(document, "project", s->project_id);
		if (s->container_id)
			jsonx_set_string(document, "container", s->container_id);
	}
	api_order(c, OP_PROXY_DOCUMENT, s->container_id, s->project_id,
		jsonx_pack("{s:s, s:I, s:o?}", "scope", s->scope, "file_version",
			(json_int_t)s->version + 1, "document", document));
}

static bool is_policy(const json_t *v)
{
	const char *s = json_string_value(v);

	return s && (strcmp(s, "allow") == 0 || strcmp(s, "deny") == 0);
}

static bool refuse(struct api_call *c, const char *field, const char *why)
{
	api_refuse(c, ERR_INVALID_PARAMS, field, "%s %s", field, why);
	return false;
}

/* What a piece's check says of it. */
static bool passes(struct api_call *c, int r, const struct err *err)
{
	if (r < 0)
		api_fail(c, err, NULL);
	return r >= 0;
}

static bool is_group(struct api_call *c)
{
	return api_proxydoc_is_name(c->args[1]) ||
	       refuse(c, "group", "must be 1 to 50 letters, digits, _ or -");
}

/* Each: change the subject's document by the call's body and arguments. False: refused. */

static bool edit_default(struct api_call *c, struct subject *s)
{
	json_t *policy = json_object_get(c->body, "default");

	if (!is_policy(policy))
		return refuse(c, "default", "must be allow or deny");
	jsonx_set(s->document, "default", json_incref(policy));
	return true;
}

static bool edit_state(struct api_call *c, struct subject *s)
{
	json_t *enabled = json_object_get(c->body, "enable_proxy");

	if (!enabled)
		enabled = json_object_get(c->body, "enabled");
	if (!json_is_boolean(enabled))
		return refuse(c, "enable_proxy", "must be true or false");
	jsonx_set(s->document, "enable_proxy", json_incref(enabled));
	return true;
}

static bool edit_settings(struct api_call *c, struct subject *s)
{
	if (json_object_get(c->body, "default") && !edit_default(c, s))
		return false;
	return !json_object_get(c->body, "enable_proxy") || edit_state(c, s);
}

static bool remove_group(struct api_call *c, struct subject *s)
{
	(void)json_object_del(json_object_get(s->document, "groups"), c->args[1]);
	(void)json_object_del(json_object_get(s->document, "permissions"), c->args[1]);
	return true;
}

/* A password is kept as sha256(salt + password), in hex. */
static void hash_password(json_t *rule)
{
	const char *password = json_string_value(json_object_get(rule, "password")),
		   *given = json_string_value(json_object_get(rule, "salt"));
	uint8_t random[SALT_SIZE], hash[crypto_hash_sha256_BYTES];
	char salt[2 * SALT_SIZE + 1], hex[2 * sizeof(hash) + 1];
	_cleanup_(freep) char *both = NULL;

	if (!password || (given && json_object_get(rule, "algorithm")))
		return; /* none, or hashed already */
	randombytes_buf(random, sizeof(random));
	(void)sodium_bin2hex(salt, sizeof(salt), random, sizeof(random));
	both = xasprintf("%s%s", given ? given : salt, password);
	(void)crypto_hash_sha256(hash, (const uint8_t *)both, strlen(both));
	(void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	sodium_memzero(both, strlen(both));
	jsonx_set_string(rule, "salt", given ? given : salt);
	jsonx_set_string(rule, "password", hex);
	jsonx_set_string(rule, "algorithm", "sha256");
}

static bool edit_group(struct api_call *c, struct subject *s)
{
	const char *type = strrchr(c->route->path, '/') + 1;
	json_t *rule = c->body ? json_deep_copy(c->body) : json_object();
	struct err err = {};

	if (!is_group(c) || !passes(c, api_proxydoc_group(type, rule, "", &err), &err)) {
		json_decref(rule);
		return false;
	}
	jsonx_set_string(rule, "type", type);
	hash_password(rule);
	jsonx_set(member(s->document, "groups"), c->args[1], rule);
	return true;
}

static bool edit_permissions(struct api_call *c, struct subject *s)
{
	json_t *all = member(s->document, "permissions"), *cells;
	struct err err = {};

	if (!is_group(c) || !passes(c, api_proxydoc_cells(c->body, "", &err), &err))
		return false;
	if (strcmp(c->method, "PUT") == 0 || !json_object_get(all, c->args[1]))
		jsonx_set(all, c->args[1], json_object());
	cells = json_object_get(all, c->args[1]);
	if (c->body)
		(void)json_object_update(cells, (json_t *)(uintptr_t)c->body);
	return true;
}

static bool remove_permission(struct api_call *c, struct subject *s)
{
	(void)json_object_del(
		json_object_get(json_object_get(s->document, "permissions"), c->args[1]),
		c->args[2]);
	return true;
}

/* --- hooks --- */

/* 48 bits of time and 80 of chance in Crockford's base 32, lower case. */
static void new_ulid(char ret[static ULID_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t ms = (uint64_t)agent_now_ms();

	for (int i = 9; i >= 0; i--, ms >>= 5)
		ret[i] = digits[ms & 31];
	for (int i = 10; i < ULID_LEN; i++)
		ret[i] = digits[randombytes_uniform(32)];
	ret[ULID_LEN] = '\0';
}

static json_t *hooks_of(struct subject *s, const char *service)
{
	json_t *all = member(s->document, "hooks"), *list = json_object_get(all, service);

	if (!json_is_array(list)) {
		list = json_array();
		jsonx_set(all, service, list);
	}
	return list;
}

/* Their places; and an id for each that has none. */
static void number(json_t *list)
{
	char id[ULID_LEN + 1];
	json_t *hook;
	size_t i;

	json_array_foreach(list, i, hook) {
		new_ulid(id);
		if (!json_object_get(hook, "id"))
			jsonx_set_string(hook, "id", id);
		jsonx_set_int(hook, "position", i);
	}
}

static bool is_hook(struct api_call *c)
{
	struct err err = {};
	int r = api_proxydoc_service(c->args[1], "service", &err);

	if (r >= 0)
		r = api_proxydoc_hook(c->body, "", &err);
	return passes(c, r, &err);
}

static size_t count_hooks(const struct subject *s)
{
	json_t *list;
	const char *service;
	size_t n = 0;

	json_object_foreach(json_object_get(s->document, "hooks"), service, list)
		n += json_array_size(list);
	return n;
}

static bool add_hook(struct api_call *c, struct subject *s)
{
	json_t *list, *hook;
	json_int_t at;

	if (!is_hook(c))
		return false;
	list = hooks_of(s, c->args[1]);
	if (json_array_size(list) >= SERVICE_HOOKS_MAX || count_hooks(s) >= HOOKS_MAX)
		return refuse(c, "hooks", "may be 8 for a service and 32 in all");
	hook = json_deep_copy(c->body);
	(void)json_object_del(hook, "id");
	at = json_is_integer(json_object_get(hook, "position"))
		     ? json_integer_value(json_object_get(hook, "position"))
		     : (json_int_t)json_array_size(list);
	at = MAX_OF(0, MIN_OF(at, (json_int_t)json_array_size(list)));
	(void)json_array_insert_new(list, (size_t)at, hook);
	number(list);
	c->answer = jsonx_pack("{s:O}", "hook", hook);
	return true;
}

/* Its place in the list; -1: refused. */
static int find_hook(struct api_call *c, const json_t *list)
{
	json_t *hook;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, hook) {
		const char *id = json_string_value(json_object_get(hook, "id"));

		if (id && strcmp(id, c->args[2]) == 0)
			return (int)i;
	}
	api_refuse(c, ERR_NOT_FOUND, "hook", "the service has no hook %s", c->args[2]);
	return -1;
}

static bool replace_hook(struct api_call *c, struct subject *s)
{
	json_t *list = hooks_of(s, c->args[1]), *hook;
	int at;

	if (!is_hook(c) || (at = find_hook(c, list)) < 0)
		return false;
	hook = json_deep_copy(c->body);
	jsonx_set_string(hook, "id", c->args[2]);
	(void)json_array_set_new(list, (size_t)at, hook);
	number(list);
	c->answer = jsonx_pack("{s:O}", "hook", hook);
	return true;
}

static bool move_hook(struct api_call *c, struct subject *s)
{
	json_t *list = hooks_of(s, c->args[1]), *hook;
	const json_t *to = json_object_get(c->body, "position");
	int at = find_hook(c, list);
	size_t place;

	if (at < 0)
		return false;
	if (!json_is_integer(to) || json_integer_value(to) < 0)
		return refuse(c, "position", "must be a number from 0");
	hook = json_incref(json_array_get(list, (size_t)at));
	(void)json_array_remove(list, (size_t)at);
	place = MIN_OF((size_t)json_integer_value(to), json_array_size(list));
	(void)json_array_insert_new(list, place, hook);
	number(list);
	c->answer = jsonx_pack("{s:O}", "hook", hook);
	return true;
}

static bool remove_hook(struct api_call *c, struct subject *s)
{
	json_t *list = hooks_of(s, c->args[1]);
	int at = find_hook(c, list);

	if (at < 0)
		return false;
	(void)json_array_remove(list, (size_t)at);
	number(list);
	return true;
}

static bool remove_hooks(struct api_call *c, struct subject *s)
{
	(void)json_object_del(json_object_get(s->document, "hooks"), c->args[1]);
	return true;
}

/* --- the whole --- */

/* What is said beside the pieces must be so of this subject. */
static bool is_its_own(struct api_call *c, const struct subject *s)
{
	const char *container = json_string_value(json_object_get(c->body, "container")),
		   *project = json_string_value(json_object_get(c->body, "project"));

	if (container && (!s->container_id || strcmp(container, s->container_id) != 0))
		return refuse(c, "container", "is not the one that the document is for");
	if (project && strcmp(project, s->project_id) != 0)
		return refuse(c, "project", "is not the one that the document is for");
	return true;
}

/* A document that is read, changed and put back says which it was, as If-Match does. */
static bool is_current(struct api_call *c, const struct subject *s)
{
	const json_t *version = json_object_get(c->body, "file_version");
	const char *etag = json_string_value(json_object_get(c->body, "etag")), *field = NULL;
	char current[32];

	(void)snprintf(current, sizeof(current), "file:v%lld", (long long)s->version);
	if (version && json_integer_value(version) != s->version)
		field = "file_version";
	else if (etag && strcmp(etag, current) != 0)
		field = "etag";
	else if ((version || etag) && is_being_written(c, s))
		field = version ? "file_version" : "etag";
	if (!field)
		return true;
	api_refuse(c, ERR_PRECONDITION_FAILED, field,
		"etag_mismatch: %s is not that of the document, which is %s", field, current);
	return false;
}

static bool edit_whole(struct api_call *c, struct subject *s)
{
	struct err err = {};
	json_t *v;
	const char *name;

	if (!passes(c, api_proxydoc_whole(c->body, s->container_id, &err), &err) ||
		!is_its_own(c, s) || !is_current(c, s))
		return false;
	json_decref(s->document);
	s->document = c->body ? json_deep_copy(c->body) : json_object();
	(void)json_object_del(s->document, "etag"); /* follows from the version */
	if (!json_object_get(s->document, "default"))
		jsonx_set_string(s->document, "default", "deny");
	if (!json_object_get(s->document, "enable_proxy"))
		jsonx_set_bool(s->document, "enable_proxy", true);
	json_object_foreach(json_object_get(s->document, "groups"), name, v)
		hash_password(v);
	json_object_foreach(json_object_get(s->document, "hooks"), name, v)
		number(v);
	return count_hooks(s) <= HOOKS_MAX ||
	       refuse(c, "hooks", "may be 8 for a service and 32 in all");
}

/* --- the table of edits: what the path says behind /proxy/ --- */

static const struct {
	const char *path; /* the route's end */
	const char *method;
	bool (*edit)(struct api_call *c, struct subject *s);
} edits[] = {
	{ "/proxy/permissions", "PUT", edit_whole },
	{ "/proxy/permissions/default", NULL, edit_default },
	{ "/proxy/permissions/state", NULL, edit_state },
	{ "/proxy/permissions/groups/{group}", "DELETE", remove_group },
	{ "/proxy/permissions/groups/{group}/ip", NULL, edit_group },
	{ "/proxy/permissions/groups/{group}/jwt", NULL, edit_group },
	{ "/proxy/permissions/groups/{group}/password", NULL, edit_group },
	{ "/proxy/permissions/groups/{group}/token", NULL, edit_group },
	{ "/proxy/permissions/permissions/{group}", NULL, edit_permissions },
	{ "/proxy/permissions/permissions/{group}/{program}", "DELETE", remove_permission },
	{ "/proxy/settings", NULL, edit_settings },
	{ "/proxy/hooks/{service}", "POST", add_hook },
	{ "/proxy/hooks/{service}", "DELETE", remove_hooks },
	{ "/proxy/hooks/{service}/{hook}", "DELETE", remove_hook },
	{ "/proxy/hooks/{service}/{hook}", NULL, replace_hook },
	{ "/proxy/hooks/{service}/{hook}/position", NULL, move_hook },
};

void api_proxy_edit(struct api_call *c)
{
	const char *path = strstr(c->route->path, "/proxy/");
	_cleanup_subject_ struct subject s = {};

	if (!find_subject(c, &s) || !has_match(c, &s))
		return;
	for (size_t i = 0; i < countof(edits); i++) {
		if (strcmp(edits[i].path, path) != 0 ||
			(edits[i].method && strcmp(edits[i].method, c->method) != 0))
			continue;
		if (edits[i].edit(c, &s))
			order_document(c, &s, json_incref(s.document));
		return;
	}
	assert(false); /* a route without its edit */
}

void api_proxy_delete(struct api_call *c)
{
	_cleanup_subject_ struct subject s = {};

	if (find_subject(c, &s) && (!c->if_match || has_match(c, &s)))
		order_document(c, &s, NULL);
}
