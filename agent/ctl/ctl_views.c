/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hoodyctl shows of which command: a table of columns for each list, a table of lines for
 * each object, and the row that says which are whose. Members are paths in the API's answer, below
 * "more" in what is asked besides: names instead of ids, and what containers use. */
#include "agent/ctl/ctl_views.h"

#include "agent/ctl/ctl_env.h"
#include "agent/ctl/ctl_events.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_info.h"
#include "agent/ctl/ctl_rules.h"
#include "agent/ctl/ctl_usage.h"
#include "agent/ctl/ctl_words.h"
#include "proto/jsonx.h"

/* --- what is asked besides --- */

/* What each container uses, and its project's name. */
static enum ctl_exit add_usage(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", "/stats", NULL, false, &all, err);
	json_t *row;
	size_t i;

	if (e != CTL_OK)
		return e;
	json_array_foreach(rows, i, row)
		jsonx_set(row, CTL_MORE,
			json_incref(ctl_words_of_id(
				json_object_get(all, "containers"), ctl_text_of(row, "id"))));
	return CTL_OK;
}

/* "the container does not start … (INTERNAL_SERVER_ERROR)" */
static char *error(const struct ctl *ctl, const json_t *v)
{
	const char *code = ctl_text_of(v, "code"), *message = ctl_text_of(v, "message");

	(void)ctl;
	return code && message   ? xasprintf("%s (%s)", message, code)
	       : code || message ? xstrdup(code ? code : message)
				 : NULL;
}

static enum ctl_exit add_operation_texts(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e = ctl_http_list(ctl, "/containers", "containers", &all, err);
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		_cleanup_(freep) char *text = error(ctl, json_object_get(row, "error"));

		jsonx_set(row, CTL_MORE,
			jsonx_pack("{s:s?, s:s?}", "container",
				ctl_words_name(all, ctl_text_of(row, "container_id")), "error",
				text));
	}
	return e;
}

/* "web:/srv", as it is for people. */
static json_t *place(const char *whose, const char *path)
{
	return json_sprintf("%s:%s", ctl_text_or_dash(whose), ctl_text_or_dash(path));
}

static enum ctl_exit add_share_ends(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e = ctl_http_list(ctl, "/containers", "containers", &all, err);
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *from = ctl_words_name(all, ctl_text_of(row, "source_container_id")),
			   *to = ctl_words_name(all, ctl_text_of(row, "target_container_id"));

		jsonx_set(row, CTL_MORE,
			jsonx_pack("{s:o, s:o}", "from",
				place(from, ctl_text_of(row, "source_path")), "to",
				place(to ? to : "its project", ctl_text_of(row, "mount_path"))));
	}
	return e;
}

/* --- lists --- */

static const struct ctl_column containers[] = {
	{ "CONTAINER", "id", CTL_ID },
	{ "NAME", "name" },
	{ "STATUS", "status", CTL_STATE },
	{ "ADDRESS", "more.network.0.addresses.0.address", CTL_WORD },
	{ "MEMORY", "more.memory.usage", CTL_BYTES },
	{ "CPU-TIME", "more.cpu.usage", CTL_NS, CTL_SPARE },
	{ "SNAPS", "snapshot_count", CTL_COUNT, CTL_SPARE },
	{ "AGE", "created_at", CTL_AGE },
	{ "PROJECT", "more.project_name", CTL_TEXT, CTL_WIDE },
	{ "IMAGE", "container_image", CTL_TEXT, CTL_WIDE },
	{ "DISK", "more.disk.root.usage", CTL_BYTES, CTL_WIDE },
	{ "PROCS", "more.processes", CTL_COUNT, CTL_WIDE },
	{ "PID", "pid", CTL_COUNT, CTL_WIDE },
	{ "PROJECT-ID", "project_id", CTL_ID, CTL_WIDE },
};

static const struct ctl_column projects[] = {
	{ "PROJECT", "id", CTL_WORD },
	{ "ALIAS", "alias" },
	{ "CONTAINERS", "container_count", CTL_COUNT },
	{ "MOST", "max_containers", CTL_COUNT, CTL_WIDE },
	{ "AGE", "created_at", CTL_AGE },
};

static const struct ctl_column operations[] = {
	{ "OPERATION", "operation_id", CTL_ID },
	{ "WHAT", "operation", CTL_WORD },
	{ "CONTAINER", "more.container" },
	{ "STATUS", "status", CTL_STATE },
	{ "TOOK", "duration_ms", CTL_MS },
	{ "STARTED", "started_at", CTL_AGO, CTL_SPARE },
	{ "ORIGIN", "origin", CTL_WORD, CTL_SPARE },
	{ "ERROR", "more.error", CTL_SENTENCE },
	{ "CODE", "error.code", CTL_WORD, CTL_WIDE },
	{ "CONTAINER-ID", "container_id", CTL_ID, CTL_WIDE },
};

static const struct ctl_column events[] = {
	{ "WHEN", "created_at", CTL_AGO },
	{ "EVENT", "event_type", CTL_WORD },
	{ "CONTAINER", "more.container" },
	{ "DETAIL", "more.detail", CTL_SENTENCE },
	{ "KIND", "resource_type", CTL_WORD, CTL_WIDE },
	{ "ID", "id", CTL_ID, CTL_WIDE },
	{ "RESOURCE", "resource_id", CTL_ID, CTL_WIDE },
};

static const struct ctl_column snapshots[] = {
	{ "SNAPSHOT", "name" },
	{ "ALIAS", "alias" },
	{ "SIZE", "size", CTL_BYTES },
	{ "CREATED", "created_at", CTL_AGO },
	{ "EXPIRES", "expires_at", CTL_AGO },
	{ "USED", "last_used_at", CTL_AGO, CTL_WIDE },
};

static const struct ctl_column shares[] = {
	{ "SHARE", "id", CTL_ID },
	{ "ALIAS", "alias" },
	{ "FROM", "more.from" },
	{ "TO", "more.to" },
	{ "MODE", "mode", CTL_WORD },
	{ "STATUS", "status", CTL_STATE },
	{ "ENABLED", "enabled", CTL_WORD, CTL_WIDE },
	{ "EXPIRES", "expires_at", CTL_AGO, CTL_WIDE },
	{ "WHY", "status_message", CTL_TEXT, CTL_SPARE },
	{ "DESCRIPTION", "description", CTL_TEXT, CTL_WIDE },
};

static const struct ctl_column images[] = {
	{ "IMAGE", "image_name" },
	{ "ID", "id", CTL_WORD },
	{ "SIZE", "size", CTL_BYTES },
	{ "ADDED", "added_date", CTL_AGO },
	{ "ARCH", "architecture", CTL_WORD, CTL_WIDE },
	{ "FROM", "url", CTL_TEXT, CTL_WIDE },
};

static const struct ctl_column commands[] = {
	{ "COMMAND", "slug", CTL_WORD },
	{ "NAME", "name" },
	{ "RISK", "risk_level", CTL_WORD },
	{ "CATEGORY", "category", CTL_WORD, CTL_WIDE },
	{ "TIMEOUT", "default_timeout", CTL_COUNT, CTL_WIDE },
};

static const struct ctl_column adopted[] = {
	{ "CONTAINER", "id", CTL_ID },
	{ "NAME", "name" },
	{ "STATUS", "status", CTL_STATE },
	{ "PID", "pid", CTL_SOME },
	{ "PROJECT", "more.project" },
	{ "IMAGE", "image" },
};

static const struct ctl_column orders[] = {
	{ "ROW", "row", CTL_COUNT, CTL_WIDE },
	{ "SEQ", "seq", CTL_COUNT },
	{ "ORDER", "order_id", CTL_ID },
	{ "OP", "op", CTL_WORD },
	{ "CONTAINER", "more.container" },
	{ "STATE", "state", CTL_STATE },
	{ "TRIES", "attempts", CTL_COUNT, CTL_WIDE },
	{ "RECEIVED", "received_ms", CTL_AGO, CTL_SPARE },
	{ "TOOK", "more.took_ms", CTL_MS, CTL_SPARE },
	{ "ORIGIN", "origin", CTL_WORD, CTL_SPARE },
	{ "ERROR", "more.error", CTL_SENTENCE },
	{ "CONTAINER-ID", "container_id", CTL_ID, CTL_WIDE },
};

/* --- objects --- */

static char *credentials(const struct ctl *ctl, const json_t *v)
{
	(void)ctl;
	return json_is_true(v) ? xstrdup("set, and not shown") : NULL;
}

static const struct ctl_line network[] = {
	{ "Mode", NULL, CTL_TEXT, ctl_words_network },
	{ "Container", "container_id", CTL_TEXT, ctl_words_container },
	{ "Proxy", "proxy" },
	{ "Credentials", "credentials_configured", CTL_TEXT, credentials },
	{ "DNS", "dns_servers" },
	{ "In force", "active.type" },
	{ "Proxy in force", "active.proxy" },
	{ "Country", "country" },
	{ "Region", "region" },
	{ "City", "city" },
	{ "Comment", "comment" },
	{ "Configured", "configured_at", CTL_TIME },
	{ "Looked at", "last_status_check", CTL_TIME },
	{ "Error", "last_error" },
	{ "Error code", "last_error_code" },
};

static const struct ctl_line image[] = {
	{ "Image", "image_name" },
	{ "Id", "id", CTL_ID },
	{ "Size", "size", CTL_BYTES },
	{ "Added", "added_date", CTL_TIME },
	{ "System", "os" },
	{ "Release", "release" },
	{ "Processor", "architecture" },
	{ "SHA-256", "sha256" },
	{ "From", "url" },
};

static char *progress(const struct ctl *ctl, const json_t *v)
{
	const char *stage = ctl_text_of(v, "stage");
	const json_t *percent = json_object_get(v, "percent");
	char bar[CTL_TEXT_MAX];

	(void)ctl;
	if (!json_is_number(percent))
		return stage ? xstrdup(stage) : NULL;
	return xasprintf("%s%s%s %.0f %%", stage ? stage : "", stage ? " " : "",
		ctl_text_bar(json_number_value(percent) / 100, bar), json_number_value(percent));
}

static const struct ctl_line operation[] = {
	{ "What", "operation" },
	{ "Operation", "operation_id", CTL_ID },
	{ "Order", "order_id", CTL_ID },
	{ "Container", "container_id", CTL_TEXT, ctl_words_container },
	{ "Project", "project_id", CTL_TEXT, ctl_words_project },
	{ "Status", "status", CTL_STATE },
	{ "Error", "error", CTL_TEXT, error },
	{ "Field", "error.field" },
	{ "Progress", "progress", CTL_TEXT, progress },
	{ "Origin", "origin" },
	{ "Started", "started_at", CTL_TIME },
	{ "Ended", "finished_at", CTL_TIME },
	{ "Took", "duration_ms", CTL_MS },
	{ "Result", "result", CTL_OBJECT },
};

/* Of the journal's rows: what two members say together, and names; the API that has these may be
 * away, and the journal is shown all the same. */
static enum ctl_exit add_order_texts(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	struct err ignored = {};
	json_t *row;
	size_t i;

	(void)err;
	(void)ctl_http_list(ctl, "/containers", "containers", &all, &ignored);
	json_array_foreach(rows, i, row) {
		const json_t *from = json_object_get(row, "started_ms"),
			     *to = json_object_get(row, "finished_ms");
		_cleanup_(freep) char *text = error(ctl, json_object_get(row, "error"));

		jsonx_set(row, CTL_MORE,
			jsonx_pack("{s:s?, s:s?}", "error", text, "container",
				ctl_words_name(all, ctl_text_of(row, "container_id"))));
		if (json_is_integer(from) && json_is_integer(to))
			jsonx_set_int(json_object_get(row, CTL_MORE), "took_ms",
				json_integer_value(to) - json_integer_value(from));
	}
	return CTL_OK;
}

static enum ctl_exit add_project_alias(const struct ctl *ctl, json_t *rows, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	struct err ignored = {};
	json_t *row;
	size_t i;

	(void)err;
	(void)ctl_http_list(ctl, "/projects", "projects", &all, &ignored);
	json_array_foreach(rows, i, row) {
		const char *id = ctl_text_of(row, "project_id"),
			   *alias = ctl_text_of(ctl_words_of_id(all, id), "alias");

		jsonx_set(row, CTL_MORE, jsonx_pack("{s:s?}", "project", alias ? alias : id));
	}
	return CTL_OK;
}

/* --- which are whose --- */

#define COLUMNS(table) .columns = (table), .n_columns = countof(table)
#define LINES(table)   .lines = (table), .n_lines = countof(table)
static const struct ctl_view views[] = {
	{ "container list", COLUMNS(containers), .more = add_usage,
		.none = "There is no container: hoodyctl container create --help" },
	{ "container info", .show = ctl_info_show },
	{ "container logs", COLUMNS(ctl_info_logs) },
	{ "logs", COLUMNS(ctl_info_logs) },
	{ "snapshot list", COLUMNS(snapshots), .none = "There is no snapshot of it." },
	{ "firewall list", .show = ctl_rules_show },
	{ "network info", LINES(network) },
	{ "share list", COLUMNS(shares), .more = add_share_ends, .none = "There is no share." },
	{ "share incoming", COLUMNS(shares), .more = add_share_ends,
		.none = "It receives no share." },
	{ "env list", .show = ctl_env_show },
	{ "image list", COLUMNS(images),
		.none = "No image has been pulled: hoodyctl image pull --help" },
	{ "image info", LINES(image) },
	{ "stats", .show = ctl_usage_show },
	{ "node commands", COLUMNS(commands), .none = "None may be run on this host." },
	{ "project list", COLUMNS(projects), .none = "There is no project." },
	{ "operation list", COLUMNS(operations), .more = add_operation_texts,
		.none = "There was no operation." },
	{ "operation info", LINES(operation) },
	{ "events", COLUMNS(events), .more = ctl_events_more, .none = "There was no event." },
	{ "status", COLUMNS(adopted), .more = add_project_alias,
		.sort = "NAME" }, /* and node info */
	{ "orders", COLUMNS(orders), .more = add_order_texts },
};

const struct ctl_view *ctl_views_of(const char *command)
{
	for (size_t i = 0; i < countof(views); i++)
		if (strcmp(views[i].command, command) == 0)
			return &views[i];
	abort(); /* the tables are ours; tests/flow/shown.py runs every command */
}
