/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_words.h"

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

char *ctl_words_network(const struct ctl *ctl, const json_t *v)
{
	const char *type = ctl_text_of(v, "type"), *status = ctl_text_of(v, "status");

	(void)ctl;
	if (!json_is_true(json_object_get(v, "configured")) || !type)
		return xstrdup("direct: no mode is configured");
	if (status && strcmp(status, "configured") == 0)
		return xasprintf("%s, configured and not in force: network start", type);
	return xasprintf("%s, %s", type, ctl_text_or_dash(status));
}

/* What the agent calls it in @member of /@list/@id; NULL: nothing, or it doesn't say. */
static char *ask_name(const struct ctl *ctl, const char *list, const char *id, const char *member)
{
	_cleanup_(freep) char *path = id ? xasprintf("/%s/%s", list, id) : NULL;
	_cleanup_json_ json_t *v = NULL;
	struct err ignored = {};
	const char *name;

	if (!path || !ident_is_id(id) ||
		ctl_http_ask(ctl, "GET", path, NULL, false, &v, &ignored) != CTL_OK)
		return NULL;
	name = ctl_text_of(v, member);
	return name && *name ? xstrdup(name) : NULL;
}

char *ctl_words_container_name(const struct ctl *ctl, const char *id, const char *else_name)
{
	char *name = ask_name(ctl, "containers", id, "name");

	if (!name && else_name)
		name = xstrdup(else_name);
	return name;
}

static char *named(const char *name, const char *id)
{
	return !id ? NULL : name ? xasprintf("%s (%s)", name, id) : xstrdup(id);
}

char *ctl_words_container(const struct ctl *ctl, const json_t *v)
{
	const char *id = json_string_value(v);
	_cleanup_(freep) char *name = ask_name(ctl, "containers", id, "name");

	return named(name, id);
}

char *ctl_words_project(const struct ctl *ctl, const json_t *v)
{
	const char *id = json_string_value(v);
	_cleanup_(freep) char *name = ask_name(ctl, "projects", id, "alias");

	return named(name, id);
}

bool ctl_words_is_closed(const json_t *v, const char *direction)
{
	return json_array_size(json_object_get(v, direction)) > 0 ||
	       json_is_true(json_object_get(json_object_get(v, "closed"), direction));
}

json_t *ctl_words_of_id(const json_t *list, const char *id)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		const char *is = ctl_text_of(v, "id");

		if (is && id && strcmp(is, id) == 0)
			return v;
	}
	return NULL;
}

const char *ctl_words_name(const json_t *containers, const char *id)
{
	const char *name = ctl_text_of(ctl_words_of_id(containers, id), "name");

	return name && *name ? name : id;
}
