/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/report/event.h"

#include "agent/state/desired.h"
#include "agent/state/fwlist.h"
#include "agent/state/history.h"
#include "proto/jsonx.h"

static const char *text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

/* What an event is about, by the beginning of its type; the first that fits. */
static const char *resource_of(const char *type)
{
	static const struct {
		const char *prefix, *resource;
	} kinds[] = { { "container.snapshot.", "snapshot" },
		{ "container.network.", "container_network" },
		{ "container.env.", "container_env" }, { "firewall.rule.", "firewall_rule" },
		{ "storage.share.", "storage_share" }, { "proxy.alias.", "proxy_alias" },
		{ "proxy.permissions.", "proxy_permissions" }, { "", "container" } };
	size_t i = 0;

	while (strncmp(type, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
		i++;
	return kinds[i].resource;
}

/* Record it and give it to those who follow all events. */
static void add(struct agent *a, const char *type, const char *resource_id, const char *project_id,
	json_t *payload_steals)
{
	_cleanup_json_ json_t *payload = payload_steals, *event = NULL;
	_cleanup_(freep) char *text = jsonx_dump(payload);
	int64_t row = history_add_event(
		a->store, &(struct history_event){ agent_now_ms(), type, resource_of(type),
				  resource_id, project_id, text });

	if (!a->listener->is_followed(a))
		return;
	event = history_event(a->store, row);
	a->listener->publish(a, NULL, "event", event, false);
}

static void container_status(struct agent *a, const json_t *r)
{
	const char *id = text_of(r, "container_id"), *to = text_of(r, "to_status"),
		   *project_id = text_of(r, "project_id");
	const struct container *c = desired_find(a->desired, id);
	_cleanup_(freep) char *metadata = jsonx_dump(json_object_get(r, "metadata"));
	_cleanup_(freep) char *type = xasprintf("container.%s", to);

	history_add_status(a->store,
		&(struct history_status){ id, text_of(r, "from_status"), to, agent_now_ms(),
			json_integer_value(json_object_get(r, "duration_ms")),
			text_of(r, "triggered_by"), metadata });
	add(a, type, id, project_id,
		jsonx_pack("{s:{s:s, s:s, s:s, s:s?}, s:s, s:O}", "container", "id", id, "name",
			c ? c->spec.name : "", "status", to, "project_id", project_id,
			"triggered_by", text_of(r, "triggered_by"), "metadata",
			json_object_get(r, "metadata")));
}

json_t *event_operation(const json_t *order)
{
	static const struct {
		const char *from, *to;
	} members[] = { { "operation_id", "operation_id" }, { "order_id", "order_id" },
		{ "op", "operation" }, { "container_id", "container_id" },
		{ "project_id", "project_id" }, { "state", "status" }, { "origin", "origin" },
		{ "progress", "progress" }, { "result", "result" }, { "error", "error" },
		{ "started_at", "started_at" }, { "finished_at", "finished_at" },
		{ "duration_ms", "duration_ms" } };
	json_t *v = json_object();

	for (size_t i = 0; i < countof(members); i++) {
		json_t *m = json_object_get(order, members[i].from);

		if (m)
			jsonx_set(v, members[i].to, json_incref(m));
	}
	return v;
}

/* That of now: it may be the operation's. */
static void add_name(struct agent *a, const char *container_id, json_t *payload)
{
	const struct container *c = desired_find(a->desired, container_id);

	if (c)
		jsonx_set(payload, "container",
			jsonx_pack("{s:s, s:s}", "id", container_id, "name", c->spec.name));
}

static void operation(struct agent *a, const json_t *r)
{
	const char *state = text_of(r, "state"), *container_id = text_of(r, "container_id"),
		   *operation_id = text_of(r, "operation_id");
	bool completed = strcmp(state, "succeeded") == 0, failed = strcmp(state, "failed") == 0;
	json_t *v;

	if (operation_id && a->listener->is_followed(a)) {
		v = event_operation(r);
		a->listener->publish(a, operation_id, "operation", v, completed || failed);
		json_decref(v);
	}
	if (!container_id || !(completed || failed))
		return;
	v = event_operation(r);
	add_name(a, container_id, v);
	add(a, completed ? "container.operation.completed" : "container.operation.failed",
		container_id, NULL, v);
}

static void snapshot(struct agent *a, const json_t *r)
{
	const char *event = text_of(r, "event");
	_cleanup_(freep) char *type = xasprintf(
		"container.snapshot.%s", strcmp(event, "expired") == 0 ? "deleted" : event);

	add(a, type, text_of(r, "container_id"), text_of(r, "project_id"),
		jsonx_pack("{s:O, s:O}", "container_id", json_object_get(r, "container_id"),
			"snapshot", json_object_get(r, "data")));
}

/* The API's words for what happens to rules are container.… 's too. What heals itself is the
 * node's. The lists themselves stay out: with each of the many events that are kept they would
 * fill a disk. */
static void firewall(struct agent *a, const json_t *r)
{
	_cleanup_json_ json_t *data = json_copy(json_object_get(r, "data"));
	const char *event = text_of(r, "event");
	_cleanup_(freep) char *type = xasprintf("firewall.rule.%s", event);

	for (int d = 0; d < FW_DIRECTIONS; d++)
		(void)json_object_del(data, fwlist_names[d]);
	if (text_of(r, "container_id"))
		add(a, type, text_of(r, "container_id"), text_of(r, "project_id"),
			jsonx_pack("{s:O, s:O}", "container_id", json_object_get(r, "container_id"),
				"firewall", data));
}

static void network(struct agent *a, const json_t *r)
{
	_cleanup_(freep) char *type = xasprintf("container.network.%s", text_of(r, "event"));

	if (text_of(r, "container_id"))
		add(a, type, text_of(r, "container_id"), text_of(r, "project_id"),
			jsonx_pack("{s:O, s:O}", "container_id", json_object_get(r, "container_id"),
				"network", json_object_get(r, "data")));
}

/* The rest differ in nothing but their words. */
static void plain(struct agent *a, const json_t *r, const char *prefix, const char *member)
{
	_cleanup_(freep) char *type = xasprintf("%s.%s", prefix, text_of(r, "event"));
	const char *container_id = text_of(r, "container_id"),
		   *id = text_of(json_object_get(r, "data"), "id");

	add(a, type,
		id             ? id
		: container_id ? container_id
			       : "",
		text_of(r, "project_id"),
		jsonx_pack("{s:O?, s:O}", "container_id", json_object_get(r, "container_id"),
			member, json_object_get(r, "data")));
}

static void env(struct agent *a, const json_t *r)
{
	plain(a, r, "container.env", "env");
}

static void share(struct agent *a, const json_t *r)
{
	plain(a, r, "storage.share", "share");
}

static void proxy(struct agent *a, const json_t *r)
{
	plain(a, r,
		json_object_get(json_object_get(r, "data"), "alias") ? "proxy.alias"
								     : "proxy.permissions",
		"proxy");
}

void event_report(struct agent *a, const json_t *report)
{
	static const struct {
		const char *type;
		void (*add)(struct agent *a, const json_t *r);
	} kinds[] = {
		{ "container.status", container_status },
		{ "order", operation },
		{ "snapshot", snapshot },
		{ "firewall", firewall },
		{ "network", network },
		{ "env", env },
		{ "share", share },
		{ "proxy", proxy },
	};
	const char *type = text_of(report, "type");

	for (size_t i = 0; i < countof(kinds); i++)
		if (strcmp(type, kinds[i].type) == 0)
			kinds[i].add(a, report);
}
