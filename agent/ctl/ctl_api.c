/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's containers, projects, operations and events, by the local API. */
#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_views.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PREFIX_MIN 4 /* of an operation's id */

/* --- lists --- */

enum ctl_exit ctl_api_containers(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(
		ctl, ctl_views_of(ctl->command), "/containers?sort_by=name", "containers", err);
}

enum ctl_exit ctl_api_projects(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(ctl, ctl_views_of(ctl->command), "/projects", "projects", err);
}

enum ctl_exit ctl_api_operations(const struct ctl *ctl, struct err *err)
{
	return ctl_show_newest(
		ctl, ctl_views_of(ctl->command), "/operations?limit=20", "operations", err);
}

/* --- one object --- */

enum ctl_exit ctl_api_container(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	enum ctl_exit e = ctl_find(ctl, ctl->args[0], &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s", id);
	return ctl_show_object(ctl, ctl_views_of(ctl->command), path, err);
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

/* Its id, or the beginning of one of the last. */
static enum ctl_exit find_operation(const struct ctl *ctl, char **ret, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	const char *word = ctl->args[0], *found = NULL;
	enum ctl_exit e;
	json_t *v;
	size_t i;

	if (ident_is_operation_id(word) || ident_is_id(word)) {
		*ret = xstrdup(word);
		return CTL_OK;
	}
	e = ctl_http_ask(ctl, "GET", "/operations?limit=500", NULL, false, &data, err);
	if (e != CTL_OK)
		return e;
	json_array_foreach(json_object_get(data, "operations"), i, v) {
		const char *id = ctl_text_of(v, "operation_id");

		if (id && strlen(word) >= PREFIX_MIN && strncmp(id, word, strlen(word)) == 0)
			found = found ? "" : id;
	}
	if (!found || !*found)
		return err_set(err, -EINVAL, ERR_INVALID_ID, NULL,
			       "\"%.40s\" is %s operation's id, nor its beginning (hoodyctl "
			       "operation list)",
			       word, found ? "more than one" : "no"),
		       CTL_USAGE;
	*ret = xstrdup(found);
	return CTL_OK;
}

enum ctl_exit ctl_api_operation(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	enum ctl_exit e = find_operation(ctl, &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/operations/%s", id);
	return ctl_show_object(ctl, ctl_views_of(ctl->command), path, err);
}

enum ctl_exit ctl_api_follow(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL;
	enum ctl_exit e = find_operation(ctl, &id, err);

	return e == CTL_OK ? ctl_change_follow(ctl, id, err) : e;
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
	return ctl_show_newest(ctl, ctl_views_of(ctl->command), "/events?limit=50", "events", err);
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
	e = ctl_show_list(ctl, ctl_views_of(ctl->command), path, "logs", err);
	l.container = id;
	if (e == CTL_OK && ctl->follow)
		e = ctl_http_follow(ctl, "/events", on_event, &l, &interrupted, err);
	return e;
}
