/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/fwlist.h"

#include "proto/jsonx.h"

const char *const fwlist_names[FW_DIRECTIONS] = {
	[FW_INGRESS] = "ingress", [FW_EGRESS] = "egress"
};

enum fwdirection fwlist_direction(const char *name)
{
	return strcmp(name, fwlist_names[FW_EGRESS]) == 0 ? FW_EGRESS : FW_INGRESS;
}

json_t *fwlist_get(struct store *s, const char *container_id, enum fwdirection direction)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT rules FROM firewall WHERE container_id=?1 AND direction=?2",
			"tt", container_id, fwlist_names[direction]);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? json_loads(store_text(q, 0), 0, NULL) : NULL;
}

void fwlist_put(
	struct store *s, const char *container_id, enum fwdirection direction, const json_t *rules)
{
	_cleanup_(freep) char *text = rules ? jsonx_dump(rules) : NULL;

	if (rules)
		store_must(store_exec(s,
			"INSERT OR REPLACE INTO firewall(container_id, direction, rules) "
			"VALUES(?1, ?2, ?3)",
			"ttt", container_id, fwlist_names[direction], text));
	else
		store_must(
			store_exec(s, "DELETE FROM firewall WHERE container_id=?1 AND direction=?2",
				"tt", container_id, fwlist_names[direction]));
}

void fwlist_remove_all(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "DELETE FROM firewall WHERE container_id=?1", "t", container_id));
}

void fwlist_copy(struct store *s, const char *from_container, const char *to_container)
{
	store_must(store_exec(s,
		"INSERT OR REPLACE INTO firewall(container_id, direction, rules) "
		"SELECT ?2, direction, rules FROM firewall WHERE container_id=?1",
		"tt", from_container, to_container));
}

/* --- rules beside rules --- */

static const char *member(const json_t *rule, const char *key)
{
	const char *s = json_string_value(json_object_get(rule, key));

	if (s)
		return s;
	return strcmp(key, "state") == 0 ? "enabled" : "";
}

bool fwlist_matches(const json_t *rule, const json_t *filter)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)filter, key, v)
		if (json_is_string(v) && strcmp(member(rule, key), json_string_value(v)) != 0)
			return false;
	return true;
}

bool fwlist_is_same(const json_t *a, const json_t *b)
{
	return fwlist_matches(a, b) && fwlist_matches(b, a) &&
	       strcmp(member(a, "state"), member(b, "state")) == 0;
}
