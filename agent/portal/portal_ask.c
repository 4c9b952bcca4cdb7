/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/portal/portal_ask.h"

#include "proto/jsonx.h"

#define JSON_VALUES_MAX 20000
#define SEGMENTS_MAX    16
#define WAIT_MAX_S      600

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* One segment or value with its %-escapes resolved; NULL when they are none, or make a NUL or what
 * is no UTF-8. */
static json_t *unescaped(const char *s, size_t len, bool plus_is_space)
{
	_cleanup_(freep) char *text = xcalloc(1, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (s[i] != '%') {
			text[n++] = plus_is_space && s[i] == '+' ? ' ' : s[i];
			continue;
		}
		high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
		low = i + 2 < len ? hex_digit(s[i + 2]) : -1;
		if (high < 0 || low < 0 || high * 16 + low == 0)
			return NULL;
		text[n++] = (char)(high * 16 + low);
		i += 2;
	}
	return json_stringn(text, n);
}

/* "/api/v1/containers/" -> ["api","v1","containers",""] */
static json_t *segments(const char *url)
{
	json_t *list = json_array();

	for (const char *p = url; *p == '/' && json_array_size(list) < SEGMENTS_MAX;) {
		size_t len = strcspn(++p, "/");
		json_t *segment = unescaped(p, len, false);

		if (!segment) {
			json_decref(list);
			return NULL;
		}
		(void)json_array_append_new(list, segment);
		p += len;
	}
	return list;
}

struct arguments {
	json_t *object, *twice; /* twice: one's name, or NULL */
	bool bad;
};

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *key,
	size_t key_size, const char *value, size_t value_size)
{
	struct arguments *a = cls;
	json_t *name = unescaped(key, key_size, true),
	       *text = unescaped(value ? value : "", value ? value_size : 0, true);

	if (!name || !text)
		a->bad = true;
	else if (!a->twice && json_object_get(a->object, json_string_value(name)))
		a->twice = json_incref(name);
	else
		jsonx_set(a->object, json_string_value(name), json_incref(text));
	json_decref(name);
	json_decref(text);
	return MHD_YES;
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static bool says(struct MHD_Connection *c, const char *name, const char *word)
{
	const char *value = header(c, name);

	return value && strcasestr(value, word);
}

/* Prefer: wait=S (RFC 7240); -1: not said. */
static int wait_of(struct MHD_Connection *c)
{
	const char *value = header(c, "Prefer"), *at = value ? strcasestr(value, "wait=") : NULL;
	int s = -1;

	return at && sscanf(at + 5, "%4d", &s) == 1 && s >= 0 ? MIN_OF(s, WAIT_MAX_S) : -1;
}

/* What is wrong with the body is told by the agent: it knows first whether the path is one. */
static const char *take_body(const char *text, size_t size, json_t *v)
{
	json_t *body = NULL;
	struct err err = {};

	if (size == 0)
		return NULL;
	if (!jsonx_is_within(text, size, JSONX_DEPTH_MAX - 4, JSON_VALUES_MAX))
		return "the body is nested too deeply, or has too many values";
	if (jsonx_parse_body(text, size, &body, &err) < 0) {
		if (!err.field[0])
			return "the body is not well-formed JSON";
		jsonx_set_string(v, "twice", err.field);
		return "a member of the body stands twice in its object";
	}
	jsonx_set(v, "body", body);
	return NULL;
}

json_t *portal_ask(struct MHD_Connection *c, const char *method, const char *url, const char *body,
	size_t size)
{
	struct arguments arguments = { .object = json_object() };
	json_t *path = segments(url), *verb = json_string(method), *v;
	const char *if_match = header(c, "If-Match"), *complaint;

	(void)MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, on_argument, &arguments);
	if (!path || !verb || arguments.bad) {
		json_decref(path);
		json_decref(verb);
		json_decref(arguments.object);
		json_decref(arguments.twice);
		return NULL;
	}
	v = jsonx_pack("{s:o, s:o, s:o, s:b, s:b}", "method", verb, "path", path, "query",
		arguments.object, "async", says(c, "Prefer", "respond-async"), "stream",
		says(c, "Accept", "text/event-stream"));
	if (arguments.twice)
		jsonx_set(v, "asked_twice", arguments.twice);
	if (says(c, "Accept", "application/openmetrics-text"))
		jsonx_set_bool(v, "openmetrics", true);
	if (wait_of(c) >= 0)
		jsonx_set_int(v, "wait", wait_of(c));
	if (if_match) {
		json_t *text = json_string(if_match);

		/* What is no UTF-8 matches nothing; without the member there would be no
		 * condition. */
		jsonx_set(v, "if_match", text ? text : json_string(""));
	}
	complaint = take_body(body, size, v);
	if (complaint)
		jsonx_set_string(v, "complaint", complaint);
	return v;
}
