/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event has ids; names are the containers', as the agent lists them, and those that events
 * themselves tell: so one that is deleted has its name as long as an event of its life is among
 * those shown. */
#include "agent/ctl/ctl_events.h"

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_words.h"
#include "proto/err.h"
#include "proto/jsonx.h"

/* --- names --- */

static void learn(json_t *names, const json_t *event)
{
	json_t *c = json_object_get(json_object_get(event, "payload"), "container");
	const char *name = ctl_text_of(c, "name");

	if (name && *name && !ctl_words_of_id(names, ctl_text_of(c, "id")))
		(void)json_array_append(names, c);
}

static const char *container_of(const json_t *event)
{
	const char *id = ctl_text_of(json_object_get(event, "payload"), "container_id");

	return id ? id : ctl_text_of(event, "resource_id");
}

/* What was done, or the name of what it was done to. */
static const char *detail_of(const json_t *event)
{
	static const char *const members[] = { "payload.error.message", "payload.operation",
		"payload.snapshot.alias", "payload.snapshot.name", "payload.share.alias",
		"payload.share.mount_path", "payload.proxy.alias",
		"payload.container.metadata.cause", "payload.metadata.cause",
		"payload.metadata.command", "payload.env.last_error" };
	const char *text = NULL;

	for (size_t i = 0; i < countof(members) && !text; i++)
		text = json_string_value(ctl_value_at(event, members[i]));
	return text;
}

enum ctl_exit ctl_events_more(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *names = NULL;
	enum ctl_exit e =
		ctl_http_list(ctl, "/containers?include_deleting=true", "containers", &names, err);
	json_t *row;
	size_t i;

	if (e != CTL_OK)
		return e;
	json_array_foreach(rows, i, row)
		learn(names, row);
	json_array_foreach(rows, i, row)
		jsonx_set(row, CTL_MORE,
			jsonx_pack("{s:s?, s:s?}", "container",
				ctl_words_name(names, container_of(row)), "detail",
				detail_of(row)));
	return CTL_OK;
}

/* --- as it happens --- */

/* What an event says is newer than what was known. */
static void learn_anew(json_t *names, const json_t *event)
{
	const json_t *c = json_object_get(json_object_get(event, "payload"), "container");
	json_t *known = ctl_words_of_id(names, ctl_text_of(c, "id"));
	const char *name = ctl_text_of(c, "name");

	if (known && name)
		jsonx_set_string(known, "name", name);
	else
		learn(names, event);
}

/* Those that the agent doesn't list any more keep their names. */
static void fetch(const struct ctl *ctl, json_t **names)
{
	struct err ignored = {};
	json_t *all = NULL, *c;
	size_t i;

	if (ctl_http_list(ctl, "/containers?include_deleting=true", "containers", &all, &ignored) !=
		CTL_OK)
		return;
	json_array_foreach(*names, i, c)
		if (!ctl_words_of_id(all, ctl_text_of(c, "id")))
			(void)json_array_append(all, c);
	json_decref(*names);
	*names = all;
}

/* The agent is asked for an id that isn't known, and once for each: one that it doesn't list then
 * is known to have no name. */
static const char *name_of(const struct ctl *ctl, json_t **names, const json_t *event)
{
	const char *id = container_of(event), *kind = ctl_text_of(event, "resource_type");
	bool is_container = ctl_text_of(json_object_get(event, "payload"), "container_id") ||
			    (kind && strcmp(kind, "container") == 0);

	if (!*names)
		*names = json_array();
	learn_anew(*names, event);
	if (id && is_container && !ctl_words_of_id(*names, id)) {
		fetch(ctl, names);
		learn_anew(*names, event);
		if (!ctl_words_of_id(*names, id))
			(void)json_array_append_new(*names, jsonx_pack("{s:s}", "id", id));
	}
	return ctl_words_name(*names, id);
}

void ctl_events_print(const struct ctl *ctl, const json_t *event, json_t **names)
{
	const char *name = name_of(ctl, names, event), *detail = detail_of(event);
	_cleanup_(freep) char *when = ctl_value_clock(ctl, json_object_get(event, "created_at"));
	_cleanup_(freep) char *text = xasprintf("%s  %-29s  %s%s%s", ctl_text_or_dash(when),
		ctl_text_or_dash(ctl_text_of(event, "event_type")), ctl_text_or_dash(name),
		detail ? "  " : "", detail ? detail : "");

	err_clean(text);
	ctl_text_wrap(stdout, text, 0, ctl_text_room(STDOUT_FILENO));
}
