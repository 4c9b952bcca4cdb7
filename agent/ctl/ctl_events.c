/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event has ids; names are the
 * containers', as the agent lists them, and those that events themselves tell: so one that is
 * deleted has its name as long as an event of its life is among those shown. */
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

static const char *name_of(const struct ctl *ctl, json_t **names, const json_t *event)
{
	const char *id = container_of(event);
	struct err ignored = {};

	if (*names)
		learn(*names, event);
	if (ctl_words_of_id(*names, id))
		return ctl_words_name(*names, id);
	json_decref(*names);
	*names = NULL;
	if (ctl_http_list(ctl, "/containers?include_deleting=true", "containers", names,
		    &ignored) != CTL_OK)
		*names = json_array();
	learn(*names, event);
	return ctl_words_name(*names, id);
}

void ctl_events_print(const struct ctl *ctl, const json_t *event, json_t **names)
{
	const char *name = name_of(ctl, names, event), *detail = detail_of(event);
	_cleanup_(freep) char *when = ctl_value_clock(ctl, json_object_get(event, "created_at"));
	_cleanup_(freep) char *text =
		xasprintf("%s  %-29s  %s%s%s", when ? when : "-", ctl_text_of(event, "event_type"),
			name ? name : "-", detail ? "  " : "", detail ? detail : "");

	err_clean(text);
	ctl_text_wrap(stdout, text, 0, ctl_text_room(STDOUT_FILENO));
}
