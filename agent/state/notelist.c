/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/notelist.h"

#include <ctype.h>

#include "proto/jsonx.h"

static const char *const members[] = { "color", "comment", "ai", "dev_kit", "realm_ids" };

static json_t *notes_of(struct store *s, const char *container_id)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		s, "SELECT members FROM notes WHERE container_id=?1", "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? json_loads(store_text(q, 0), 0, NULL) : json_object();
}

json_t *notelist_color(const char *color)
{
	char text[8] = "#";

	if (!color)
		return json_null();
	(void)snprintf(text + 1, sizeof(text) - 1, "%s", color + (*color == '#'));
	for (char *c = text; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return json_string(text);
}

void notelist_take(struct store *s, const char *container_id, const json_t *params)
{
	_cleanup_json_ json_t *notes = notes_of(s, container_id);
	_cleanup_(freep) char *text = NULL;
	bool said = false;

	for (size_t i = 0; i < countof(members); i++) {
		json_t *v = json_object_get(params, members[i]);

		if (!v)
			continue;
		said = true;
		jsonx_set(notes, members[i],
			i == 0 ? notelist_color(json_string_value(v)) : json_incref(v));
	}
	if (!said)
		return;
	text = jsonx_canonical(notes);
	store_must(store_exec(s,
		"INSERT INTO notes(container_id, members) VALUES(?1, ?2) ON CONFLICT(container_id) "
		"DO UPDATE SET members=?2",
		"tt", container_id, text));
}

void notelist_copy(struct store *s, const char *from_container, const char *to_container)
{
	store_must(store_exec(s,
		"INSERT OR REPLACE INTO notes(container_id, members) SELECT ?2, members FROM notes "
		"WHERE container_id=?1",
		"tt", from_container, to_container));
}

void notelist_remove(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "DELETE FROM notes WHERE container_id=?1", "t", container_id));
}

void notelist_show(struct store *s, const char *container_id, json_t *into)
{
	_cleanup_json_ json_t *notes = notes_of(s, container_id);
	_cleanup_json_ json_t *unsaid = jsonx_pack("{s:n, s:n, s:b, s:O, s:[]}", "color", "comment",
		"ai", 1, "dev_kit", json_object_get(into, "hoody_kit"), "realm_ids");

	(void)json_object_update(into, notes);
	(void)json_object_update_missing(into, unsaid);
}
