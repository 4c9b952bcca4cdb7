/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A permission document is groups (who is known, and how), permissions (which group may use what)
 * and hooks (which script sees which request of a service), each a piece with a name. Types have
 * been judged by the forms before; here it is what a value must be beyond that, and which members
 * go together, since the proxy that reads the file passes over what it doesn't understand, and so
 * would open or close something else than was meant.
 *
 * Only what local calls write is judged: a document of a signed order is the control API's own. */
#include "agent/api/api_proxydoc.h"

#include "agent/common/api_form.h"
#include "proto/jsonx.h"
#include "proto/opfield.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"
/* A token of RFC 9110, section 5.6.2: what a header's or a cookie's name is. */
#define TOKEN LETTERS DIGITS "!#$%&'*+-.^_`|~"

static int refuse(struct err *err, const char *at, const char *field, const char *must)
{
	_cleanup_(freep) char *name = xasprintf("%s%s%s", at, *at && *field ? "." : "", field);

	return err_set(err, -EINVAL, ERR_INVALID_PARAMS, name, "%s %s", name, must);
}

static const json_t *get(const json_t *v, const char *member)
{
	return json_object_get(v, member);
}

static bool is_of(const char *s, const char *letters, size_t max)
{
	size_t n = strlen(s);

	return n >= 1 && n <= max && strspn(s, letters) == n;
}

bool api_proxydoc_is_name(const char *name)
{
	return is_of(name, LETTERS DIGITS "_-", 50);
}

/* --- groups --- */

static int check_ip(const json_t *rule, const char *at, struct err *err)
{
	const char *range = json_string_value(get(rule, "range"));
	const json_t *list = get(rule, "allowed_ips"), *v;
	size_t i;

	if (range && !opfield_addresses.is(range))
		return refuse(err, at, "range", "must be an IPv4 address or CIDR");
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		_cleanup_(freep) char *field = xasprintf("allowed_ips[%zu]", i);

		if (!opfield_addresses.is(json_string_value(v)))
			return refuse(err, at, field, "must be an IPv4 address or CIDR");
	}
	if (range && list &&
		(json_array_size(list) != 1 ||
			strcmp(range, json_string_value(json_array_get(list, 0))) != 0))
		return refuse(err, at, "allowed_ips", "and range name one thing, and differ");
	return 0;
}

static int check_sources(const json_t *list, const char *at, struct err *err)
{
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		const char *s = json_string_value(v), *name = strchr(s, ':');
		_cleanup_(freep) char *field = xasprintf("sources[%zu]", i);

		if (!name || (strncmp(s, "header:", 7) != 0 && strncmp(s, "cookie:", 7) != 0) ||
			!is_of(name + 1, TOKEN, 255))
			return refuse(err, at, field, "must be header: or cookie: and a name");
	}
	return 0;
}

/* Its members lie flat, or in jwt_config; both may not say different things. */
static int check_jwt(const json_t *rule, const char *at, struct err *err)
{
	const json_t *config = get(rule, "jwt_config"), *v;
	_cleanup_(freep) char *below = xasprintf("%s%sjwt_config", at, *at ? "." : "");
	const char *name;
	int r = check_sources(get(rule, "sources"), at, err);

	json_object_foreach((json_t *)(uintptr_t)config, name, v)
		if (get(rule, name) && !json_equal(get(rule, name), v))
			return refuse(err, at, name, "differs from that of jwt_config");
	return r < 0 ? r : check_sources(get(config, "sources"), below, err);
}

/* One place and its value; or tokens, wherever they come. */
static int check_token(const json_t *rule, const char *at, struct err *err)
{
	static const char *const places[] = { "header", "cookie", "param" };
	const char *place = NULL;

	for (size_t i = 0; i < countof(places); i++) {
		const char *name = json_string_value(get(rule, places[i]));

		if (!name)
			continue;
		if (place)
			return refuse(err, at, places[i], "does not go with another place");
		if (!is_of(name, TOKEN, 255))
			return refuse(err, at, places[i], "must be a name");
		place = places[i];
	}
	if (place && !get(rule, "value") && !get(rule, "tokens"))
		return refuse(err, at, "value", "is missing");
	if (!place && get(rule, "value"))
		return refuse(
			err, at, "header", "is missing, and neither is there a cookie or param");
	return get(rule, "value") && get(rule, "tokens")
		       ? refuse(err, at, "tokens", "does not go with value")
		       : 0;
}

static int check_any(const json_t *rule, const char *at, struct err *err)
{
	return 0;
}

static const struct {
	const char *type;
	enum api_form form;
	int (*check)(const json_t *rule, const char *at, struct err *err);
} groups[] = {
	{ "ip", API_FORM_GROUP_IP, check_ip },
	{ "jwt", API_FORM_GROUP_JWT, check_jwt },
	{ "password", API_FORM_GROUP_PASSWORD, check_any },
	{ "token", API_FORM_GROUP_TOKEN, check_token },
	{ "hoody-identity", API_FORM_ANY, check_any },
};

/* Its form, by its own names, below @at. */
static int check_form(enum api_form form, const json_t *rule, const char *at, struct err *err)
{
	struct err inner = {};

	if (api_form_check(form, rule, &inner) == 0)
		return 0;
	return refuse(err, at, inner.field,
		strncmp(inner.message, inner.field, strlen(inner.field)) == 0
			? inner.message + strlen(inner.field) + 1
			: inner.message);
}

int api_proxydoc_group(const char *type, const json_t *rule, const char *at, struct err *err)
{
	_cleanup_json_ json_t *members =
		json_is_object(rule) ? json_copy((json_t *)(uintptr_t)rule) : NULL;
	int r;

	if (!members)
		return refuse(err, at, "", "must be an object");
	(void)json_object_del(members, "type");
	for (size_t i = 0; type && i < countof(groups); i++) {
		if (strcmp(type, groups[i].type) != 0)
			continue;
		if (json_object_size(members) == 0)
			return refuse(
				err, at, *at ? "" : "body", "must say how the group is known");
		r = check_form(groups[i].form, members, at, err);
		return r < 0 ? r : groups[i].check(members, at, err);
	}
	return refuse(err, at, "type", "must be one of ip|jwt|password|token|hoody-identity");
}

/* --- permissions --- */

/* "*", or "8" or "8-10" */
static bool is_range(const char *s)
{
	size_t n = strspn(s, DIGITS);

	if (strcmp(s, "*") == 0)
		return true;
	if (n > 0 && s[n] == '-') {
		s += n + 1;
		n = strspn(s, DIGITS);
	}
	return n > 0 && !s[n];
}

/* There is one of each of these: it is used or not. */
static bool is_single(const char *program)
{
	static const char *const single[] = { "files", "services", "notifications", "exec" };

	for (size_t i = 0; i < countof(single); i++)
		if (strcmp(program, single[i]) == 0)
			return true;
	return false;
}

int api_proxydoc_cells(const json_t *cells, const char *at, struct err *err)
{
	const char *program;
	const json_t *v;

	json_object_foreach((json_t *)(uintptr_t)cells, program, v) {
		if (!api_proxydoc_is_name(program))
			return refuse(err, at, program, "is no program's name");
		if (is_single(program) && !json_is_boolean(v))
			return refuse(err, at, program, "must be true or false");
		if (json_is_string(v) && !is_range(json_string_value(v)))
			return refuse(err, at, program, "must be * or a range like 1-4");
	}
	return 0;
}

/* --- hooks --- */

static bool is_method(const char *s)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD",
		"OPTIONS" };

	for (size_t i = 0; i < countof(methods); i++)
		if (strcmp(s, methods[i]) == 0)
			return true;
	return false;
}

static int check_method(const json_t *v, const char *at, struct err *err)
{
	const json_t *entry;
	size_t i;

	if (json_is_string(v) && strcmp(json_string_value(v), "*") != 0 &&
		!is_method(json_string_value(v)))
		return refuse(err, at, "match.method", "must be * or a method, in upper case");
	json_array_foreach((json_t *)(uintptr_t)v, i, entry) {
		_cleanup_(freep) char *field = xasprintf("match.method[%zu]", i);

		if (!is_method(json_string_value(entry)))
			return refuse(err, at, field, "must be a method, in upper case");
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(v, j), entry))
				return refuse(err, at, field, "is in the list already");
	}
	return 0;
}

static int check_match(const json_t *match, const char *at, struct err *err)
{
	const char *path = json_string_value(get(match, "path")), *name;
	const json_t *v;

	if (path && *path != '/' && *path != '*')
		return refuse(err, at, "match.path", "must begin with / or *");
	json_object_foreach((json_t *)(uintptr_t)get(match, "headers"), name, v) {
		_cleanup_(freep) char *field = xasprintf("match.headers.%s", name);

		if (!is_of(name, TOKEN, 255))
			return refuse(err, at, field, "is no header's name");
	}
	return check_method(get(match, "method"), at, err);
}

int api_proxydoc_hook(const json_t *hook, const char *at, struct err *err)
{
	const char *subdomain = json_string_value(get(get(hook, "script"), "subdomain"));
	const json_t *list = get(get(hook, "applies_to"), "groups"), *v;
	size_t i;

	if (subdomain && !is_of(subdomain, "abcdefghijklmnopqrstuvwxyz" DIGITS, 63))
		return refuse(err, at, "script.subdomain", "must be of a-z and 0-9");
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		_cleanup_(freep) char *field = xasprintf("applies_to.groups[%zu]", i);

		if (!api_proxydoc_is_name(json_string_value(v)))
			return refuse(err, at, field, "is no group's name");
	}
	return check_match(get(hook, "match"), at, err);
}

int api_proxydoc_service(const char *service, const char *at, struct err *err)
{
	static const char *const without[] = { "logs", "proxy", "workspaces", "cdp", "egress" };

	if (!api_proxydoc_is_name(service))
		return refuse(err, at, "", "must be 1 to 50 letters, digits, _ or -");
	for (size_t i = 0; i < countof(without); i++)
		if (strcmp(service, without[i]) == 0)
			return refuse(err, at, "", "can't have hooks");
	return 0;
}

/* --- the whole --- */

static int check_hooks(const char *service, const json_t *list, const char *at, struct err *err)
{
	const json_t *hook;
	size_t i;
	int r = api_proxydoc_service(service, at, err);

	json_array_foreach((json_t *)(uintptr_t)list, i, hook) {
		_cleanup_(freep) char *field = xasprintf("%s[%zu]", at, i);

		if (r < 0)
			break;
		r = api_proxydoc_hook(hook, field, err);
	}
	return r;
}

static int check_piece(
	const char *part, const char *name, const json_t *v, const char *at, struct err *err)
{
	if (strcmp(part, "hooks") == 0)
		return check_hooks(name, v, at, err);
	if (!api_proxydoc_is_name(name))
		return refuse(err, at, "", "must be 1 to 50 letters, digits, _ or -");
	return strcmp(part, "groups") == 0
		       ? api_proxydoc_group(json_string_value(get(v, "type")), v, at, err)
		       : api_proxydoc_cells(v, at, err);
}

int api_proxydoc_whole(const json_t *document, bool is_container, struct err *err)
{
	static const char *const parts[] = { "groups", "permissions", "hooks" };
	const char *name;
	const json_t *v;
	int r;

	if (get(document, "hooks") && !is_container)
		return refuse(err, "", "hooks", "are of a container's document");
	for (size_t i = 0; i < countof(parts); i++)
		json_object_foreach((json_t *)(uintptr_t)get(document, parts[i]), name, v) {
			_cleanup_(freep) char *at = xasprintf("%s.%s", parts[i], name);

			r = check_piece(parts[i], name, v, at, err);
			if (r < 0)
				return r;
		}
	return 0;
}
