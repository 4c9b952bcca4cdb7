/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's containers, projects, operations and events, by the local API. */
#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

/* --- lists --- */

static const struct ctl_column container_columns[] = { { "CONTAINER", "id" }, { "NAME", "name" },
	{ "STATUS", "status", true }, { "PID", "pid" }, { "PROJECT", "project_id" },
	{ "IMAGE", "container_image" } };
static const struct ctl_column project_columns[] = { { "PROJECT", "id" }, { "ALIAS", "alias" },
	{ "CONTAINERS", "container_count" } };
static const struct ctl_column operation_columns[] = { { "OPERATION", "operation_id" },
	{ "WHAT", "operation" }, { "CONTAINER", "container_id" }, { "STATUS", "status", true },
	{ "MS", "duration_ms" }, { "ORIGIN", "origin" }, { "ERROR", "error.code" } };
static const struct ctl_column log_columns[] = { { "TIME", "transition_time" },
	{ "FROM", "from_status" }, { "TO", "to_status", true }, { "MS", "duration_ms" },
	{ "BY", "triggered_by" } };
static const struct ctl_column event_columns[] = { { "TIME", "created_at" },
	{ "EVENT", "event_type" }, { "RESOURCE", "resource_id" } };

enum ctl_exit ctl_api_containers(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(ctl, "/containers?sort_by=name&include_deleting=true", "containers",
		container_columns, countof(container_columns), err);
}

enum ctl_exit ctl_api_projects(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(
		ctl, "/projects", "projects", project_columns, countof(project_columns), err);
}

enum ctl_exit ctl_api_operations(const struct ctl *ctl, struct err *err)
{
	return ctl_show_newest(ctl, "/operations?limit=20", "operations", operation_columns,
		countof(operation_columns), err);
}

/* --- one object --- */

enum ctl_exit ctl_api_container(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	enum ctl_exit e = ctl_find(ctl, ctl->args[0], &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s", id);
	return ctl_show_object(ctl, path, err);
}

/* --- what takes time --- */

static bool add_number(json_t *body, const char *key, const char *text, struct err *err)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	double n;

	if (!text)
		return true;
	n = strtod(text, &end);
	unit = *end ? strchr(units, *end) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		n *= 1024;
	end += unit != NULL;
	if (*text < '0' || *text > '9' || *end) {
		(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, key,
			"\"%s\" is no number (suffixes: K, M, G)", text);
		return false;
	}
	(void)json_object_set_new(body, key,
		strcmp(key, "cpu_cores") == 0 ? json_real(n) : json_integer((json_int_t)n));
	return true;
}

enum ctl_exit ctl_api_act(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	_cleanup_json_ json_t *body = json_object();
	bool is_delete = strcmp(ctl->verb, "delete") == 0;
	enum ctl_exit e;

	if (!add_number(body, "timeout", ctl->timeout, err))
		return CTL_USAGE;
	if (ctl->force)
		(void)json_object_set_new(body, "force", json_true());
	e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf(
		"/containers/%s%s%s", id, is_delete ? "" : "/", is_delete ? "" : ctl->verb);
	return ctl_change(ctl, is_delete ? "DELETE" : "POST", path, body, err);
}

enum ctl_exit ctl_api_create(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_json_ json_t *body = json_object();
	json_t *limits = json_object();

	(void)json_object_set_new(body, "limits", limits);
	if (!ctl->project || !ident_is_id(ctl->project))
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--project",
			       "--project: want a project's id (hoodyctl project list)"),
		       CTL_USAGE;
	if (!add_number(limits, "memory_bytes", ctl->memory, err) ||
		!add_number(limits, "pids", ctl->pids, err) ||
		!add_number(limits, "cpu_cores", ctl->cpus, err))
		return CTL_USAGE;
	if (json_object_size(limits) == 0)
		(void)json_object_del(body, "limits");
	(void)json_object_set_new(body, "image", json_string(ctl->args[0]));
	if (ctl->name)
		(void)json_object_set_new(body, "name", json_string(ctl->name));
	if (ctl->no_start)
		(void)json_object_set_new(body, "start", json_false());
	path = xasprintf("/projects/%s/containers", ctl->project);
	return ctl_change(ctl, "POST", path, body, err);
}

enum ctl_exit ctl_api_project_create(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *body = json_pack("{s:s}", "alias", ctl->args[0]), *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "POST", "/projects", body, false, &data, err);

	if (e == CTL_OK && ctl->json)
		ctl_out_json(data);
	else if (e == CTL_OK)
		puts(ctl_text_of(data, "id"));
	return e;
}

/* --- operations, events, logs --- */

static bool is_operation(const struct ctl *ctl, struct err *err)
{
	if (ident_is_operation_id(ctl->args[0]) || ident_is_id(ctl->args[0]))
		return true;
	(void)err_set(err, -EINVAL, ERR_INVALID_ID, NULL,
		"an operation's id has 32 hex characters (hoodyctl operation list)");
	return false;
}

enum ctl_exit ctl_api_operation(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/operations/%s", ctl->args[0]);

	return is_operation(ctl, err) ? ctl_show_object(ctl, path, err) : CTL_USAGE;
}

enum ctl_exit ctl_api_follow(const struct ctl *ctl, struct err *err)
{
	return is_operation(ctl, err) ? ctl_change_follow(ctl, ctl->args[0], err) : CTL_USAGE;
}

struct live {
	const struct ctl *ctl;
	const char *container; /* its own only, or NULL */
};

static bool on_event(const json_t *data, void *userdata)
{
	const struct live *l = userdata;
	const char *resource = ctl_text_of(data, "resource_id");

	if (l->container && (!resource || strcmp(resource, l->container) != 0))
		return true;
	if (l->ctl->json) {
		_cleanup_(freep) char *text = jsonx_dump(data);

		puts(text);
	} else {
		printf("%s  %s  %s\n", ctl_text_of(data, "created_at"),
			ctl_text_of(data, "event_type"), resource ? resource : "-");
	}
	(void)fflush(stdout);
	return true;
}

enum ctl_exit ctl_api_events(const struct ctl *ctl, struct err *err)
{
	struct live l = { .ctl = ctl };
	bool interrupted;

	if (ctl->follow)
		return ctl_http_follow(ctl, "/events", on_event, &l, &interrupted, err);
	return ctl_show_newest(
		ctl, "/events?limit=50", "events", event_columns, countof(event_columns), err);
}

enum ctl_exit ctl_api_logs(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	struct live l = { .ctl = ctl };
	bool interrupted;
	enum ctl_exit e = ctl_find(ctl, ctl->args[0], &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/status-logs?sort_order=asc", id);
	e = ctl_show_list(ctl, path, "logs", log_columns, countof(log_columns), err);
	l.container = id;
	if (e == CTL_OK && ctl->follow)
		e = ctl_http_follow(ctl, "/events", on_event, &l, &interrupted, err);
	return e;
}
