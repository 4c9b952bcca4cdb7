/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports, as PROTOCOL.md has them: one function for each thing that is told, which builds the
 * object, and one way out for all of them. A report goes into the outbox, in the transaction
 * that is open, so that it is durable together with what it tells of; and to whoever follows
 * events here. Statistics are only offered to the outbox, which may drop them.
 *
 * What is not known is left out, not null, where the protocol's tables let it. Nothing is
 * decided here, and nothing sent: when a report goes is agent/uplink/uplink.c's business.
 * Arguments named data_steals are the callee's then. */
#include "agent/report/tell.h"

#include <arpa/inet.h>

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include "agent/common/nodekey.h"
#include "agent/report/event.h"
#include "agent/state/ctlink.h"
#include "agent/state/imagelist.h"
#include "agent/state/outbox.h"
#include "agent/state/sharelist.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"
#include "proto/report.h"

#define CAPABILITIES                                                                          \
	"container", "pause", "limits", "image", "image.builtin", "snapshot", "copy", "sync", \
		"env", "firewall", "network", "share", "ramdisk", "proxy", "command", "stats"

/* Most of the members of the protocol's tables are left out when they are not known. */
static void set_text(json_t *obj, const char *key, const char *value)
{
	if (value && value[0] != '\0')
		jsonx_set_string(obj, key, value);
}

static json_t *new_report(const char *type)
{
	json_t *v = json_object();

	jsonx_set_string(v, "type", type);
	jsonx_set(v, "at", jsonx_time(agent_now_ms()));
	return v;
}

static void send_report(struct agent *a, json_t *report_steals)
{
	_cleanup_json_ json_t *v = report_steals;
	_cleanup_(freep) char *text = jsonx_dump(v);

	outbox_add(a->outbox, text);
	event_report(a, v);
}

static void set_order(json_t *v, const struct order *o)
{
	jsonx_set_string(v, "order_id", o->id);
	jsonx_set_int(v, "order_seq", o->seq);
	set_text(v, "operation_id", o->operation_id);
	jsonx_set_string(v, "op", o->op_name);
	set_text(v, "container_id", o->container_id);
}

void tell_operation(struct agent *a, const struct tell_operation *t)
{
	json_t *v = new_report("order");

	set_order(v, t->order);
	jsonx_set_string(v, "state", journal_state_name(t->state));
	if (t->progress)
		jsonx_set(v, "progress", json_deep_copy(t->progress));
	if (t->started_ms)
		jsonx_set(v, "started_at", jsonx_time(t->started_ms));
	if (t->state == JOURNAL_SUCCEEDED || t->state == JOURNAL_FAILED) {
		jsonx_set(v, "finished_at", jsonx_time(t->finished_ms));
		jsonx_set_int(v, "duration_ms",
			t->started_ms ? MAX_OF(t->finished_ms - t->started_ms, 0) : 0);
	}
	if (t->state == JOURNAL_SUCCEEDED && t->result)
		jsonx_set(v, "result", json_deep_copy(t->result));
	if (t->state == JOURNAL_FAILED)
		jsonx_set(v, "error", errjson_make(t->err));
	send_report(a, v);
}

void tell_rejected(struct agent *a, const struct order *o, const struct err *err)
{
	json_t *v = new_report("order");

	set_order(v, o);
	jsonx_set_string(v, "state", journal_state_name(JOURNAL_REJECTED));
	jsonx_set(v, "error", errjson_make(err));
	send_report(a, v);
}

void tell_row(struct agent *a, int64_t row)
{
	json_t *v = journal_row(a->store, row), *report = new_report("order");

	if (v)
		(void)json_object_update(report, v);
	json_decref(v);
	send_report(a, report);
}

void tell_status(struct agent *a, const struct container *c, enum ct_status from, enum ct_status to,
	int64_t since_ms, const char *triggered_by, const json_t *metadata)
{
	json_t *v = new_report("container.status");
	int64_t now_ms = agent_now_ms();

	jsonx_set_string(v, "container_id", c->spec.id);
	jsonx_set_string(v, "project_id", c->spec.project_id);
	jsonx_set(v, "from_status",
		from == CT_NONE ? json_null() : json_string(desired_status_name(from)));
	jsonx_set_string(v, "to_status", desired_status_name(to));
	jsonx_set(v, "transition_time", jsonx_time(now_ms));
	jsonx_set_int(v, "duration_ms", since_ms > 0 ? MAX_OF(now_ms - since_ms, 0) : 0);
	jsonx_set_string(v, "triggered_by", triggered_by);
	jsonx_set(v, "metadata", metadata ? json_deep_copy(metadata) : json_object());
	send_report(a, v);
}

static void tell_event(struct agent *a, const char *type, const struct container *c,
	const char *event, json_t *data_steals)
{
	json_t *v = new_report(type);

	if (c) {
		jsonx_set_string(v, "container_id", c->spec.id);
		jsonx_set_string(v, "project_id", c->spec.project_id);
	}
	jsonx_set_string(v, "event", event);
	jsonx_set(v, "data", data_steals);
	send_report(a, v);
}

void tell_snapshot(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals)
{
	tell_event(a, "snapshot", c, event, data_steals);
}

void tell_firewall(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals)
{
	tell_event(a, "firewall", c, event, data_steals);
}

void tell_network(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals)
{
	tell_event(a, "network", c, event, data_steals);
}

void tell_env(struct agent *a, const struct container *c, const char *event, json_t *data_steals)
{
	tell_event(a, "env", c, event, data_steals);
}

void tell_share(struct agent *a, const json_t *share, const char *event, json_t *data_steals)
{
	const char *id = json_string_value(json_object_get(share, "source_container_id"));
	const struct container *c = desired_find(a->desired, id);
	json_t *v = new_report("share");

	jsonx_set_string(v, "container_id", id);
	if (c)
		jsonx_set_string(v, "project_id", c->spec.project_id);
	jsonx_set_string(v, "event", event);
	jsonx_set(v, "data", data_steals);
	send_report(a, v);
}

void tell_proxy(struct agent *a, const struct container *c, const char *event, json_t *data_steals)
{
	tell_event(a, "proxy", c, event, data_steals);
}

void tell_container_stats(struct agent *a, int64_t interval_ms, json_t *containers_steals)
{
	_cleanup_json_ json_t *v = new_report("container.stats");

	jsonx_set_int(v, "interval_ms", interval_ms);
	jsonx_set(v, "containers", containers_steals);
	outbox_offer(a->outbox, jsonx_dump(v));
}

void tell_node_stats(struct agent *a, json_t *stats_steals)
{
	_cleanup_json_ json_t *v = new_report("node.stats");

	(void)json_object_update(v, stats_steals);
	json_decref(stats_steals);
	outbox_offer(a->outbox, jsonx_dump(v));
}

/* As storage/pool chooses it, which the agent doesn't link. */
static const char *driver_name(const struct agent *a, const struct statfs *st)
{
	bool btrfs = st->f_type == BTRFS_SUPER_MAGIC;

	if (a->conf.storage.driver == CONF_DRIVER_AUTO)
		return btrfs ? "btrfs" : "dir";
	return a->conf.storage.driver == CONF_DRIVER_BTRFS ? "btrfs" : "dir";
}

json_t *tell_pool(const struct agent *a)
{
	json_t *v = json_object();
	struct statfs st;

	if (statfs(a->conf.storage.pool, &st) < 0)
		return v;
	jsonx_set_string(v, "driver", driver_name(a, &st));
	jsonx_set_int(v, "total_bytes", st.f_blocks * (json_int_t)st.f_frsize);
	jsonx_set_int(v, "free_bytes", st.f_bavail * (json_int_t)st.f_frsize);
	return v;
}

static json_t *address_json(uint32_t address)
{
	const uint32_t wire = htonl(address);
	char text[INET_ADDRSTRLEN];

	return address ? json_string(inet_ntop(AF_INET, &wire, text, sizeof(text))) : json_null();
}

/* --- the inventory --- */

/* A report that is longer than the API reads (16 MiB as it is coded) would never be taken, and all
 * that come after it with it: what is longer than this comes in parts. */
#define INVENTORY_BYTES (4UL * 1024 * 1024)

enum { CONTAINERS, IMAGES, SHARES, LISTS };
static const char *const list_names[LISTS] = {
	[CONTAINERS] = "containers", [IMAGES] = "images", [SHARES] = "shares"
};

struct inventory {
	struct agent *agent;
	json_t *lists[LISTS]; /* of the present part */
	size_t bytes;
};

static void send_part(struct inventory *v, bool more)
{
	json_t *report = new_report("node.inventory");

	for (size_t i = 0; i < LISTS; i++)
		jsonx_set(report, list_names[i], v->lists[i] ? TAKE(v->lists[i]) : json_array());
	if (more)
		jsonx_set_bool(report, "more", true);
	send_report(v->agent, report);
	v->bytes = 0;
}

static void add_row(struct inventory *v, size_t list, json_t *row_steals)
{
	_cleanup_(freep) char *text = jsonx_dump(row_steals);
	size_t bytes = strlen(text) + 1;

	if (v->bytes > 0 && v->bytes + bytes > INVENTORY_BYTES)
		send_part(v, /* more= */ true);
	if (!v->lists[list])
		v->lists[list] = json_array();
	(void)json_array_append_new(v->lists[list], row_steals);
	v->bytes += bytes;
}

static void add_rows(struct inventory *v, size_t list, json_t *rows_steals)
{
	_cleanup_json_ json_t *rows = rows_steals;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		add_row(v, list, json_incref(row));
}

static json_t *inventory_row(struct agent *a, const struct container *c)
{
	char six[INET6_ADDRSTRLEN];
	json_t *row = json_object();

	jsonx_set_string(row, "id", c->spec.id);
	jsonx_set_string(row, "project_id", c->spec.project_id);
	jsonx_set_string(row, "name", c->spec.name);
	jsonx_set_string(row, "status", desired_status_name(c->status));
	jsonx_set_string(row, "image", c->spec.image);
	jsonx_set(row, "ipv4", address_json(c->spec.ipv4));
	jsonx_set(row, "ipv6",
		ctlink_address6(&a->conf, &c->spec, six) ? json_string(six) : json_null());
	return row;
}

static void tell_inventory(struct agent *a)
{
	struct inventory v = { .agent = a };

	for (size_t i = 0; i < desired_count(a->desired); i++)
		add_row(&v, CONTAINERS, inventory_row(a, desired_at(a->desired, i)));
	add_rows(&v, IMAGES, imagelist_json(a->store));
	add_rows(&v, SHARES, sharelist_all(a->store));
	send_part(&v, /* more= */ false);
}

void tell_hello(struct agent *a)
{
	static const char *const capabilities[] = { CAPABILITIES };
	json_t *v = new_report("node.hello"), *list = json_array();
	struct utsname uts;

	if (uname(&uts) < 0)
		abort();
	err_clean(uts.nodename);
	for (size_t i = 0; i < countof(capabilities); i++)
		(void)json_array_append_new(list, json_string(capabilities[i]));
	jsonx_set_string(v, "agent_version", PACKAGE_VERSION);
	jsonx_set_string(v, "hostname", uts.nodename);
	jsonx_set_string(v, "kernel", uts.release);
	jsonx_set_string(v, "lxc_version", LXC_VERSION_BUILT);
	jsonx_set(v, "pool", tell_pool(a));
	jsonx_set_string(v, "public_key_hex", a->nodekey->public_key_hex);
	jsonx_set(v, "capabilities", list);
	jsonx_set(v, "clock", a->listener->clock(a));
	jsonx_set_int(v, "high_seq", journal_high_seq(a->store));
	send_report(a, v);
	tell_inventory(a);
}
