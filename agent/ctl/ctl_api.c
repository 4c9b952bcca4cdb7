/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's containers, projects, operations and events, by the local API. */
#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_events.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_views.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PREFIX_MIN 4      /* of an operation's id */
#define NUMBER_MAX 0x1p53 /* JSON's integers, as other programs read them */

/* --- lists --- */

enum ctl_exit ctl_api_containers(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(ctl, ctl_views_of(ctl->command),
		"/containers?sort_by=name&include_deleting=true", "containers", err);
}

enum ctl_exit ctl_api_projects(const struct ctl *ctl, struct err *err)
{
	return ctl_show_list(ctl, ctl_views_of(ctl->command), "/projects", "projects", err);
}

enum ctl_exit ctl_api_operations(const struct ctl *ctl, struct err *err)
{
	return ctl_show_newest(
		ctl, ctl_views_of(ctl->command), "/operations", "operations", 20, err);
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

static bool add_number(
	json_t *body, const char *key, const char *option, const char *text, struct err *err)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	bool is_real = strcmp(key, "cpu_cores") == 0;
	double n;

	if (!text)
		return true;
	n = strtod(text, &end);
	unit = *end ? strchr(units, *end) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		n *= 1024;
	end += unit != NULL;
	if (*text < '0' || *text > '9' || *end)
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, key,
			       "%s: \"%.40s\" is no number (suffixes: K, M, G)", option, text),
		       false;
	if (n > NUMBER_MAX || (!is_real && !unit && n > (double)(json_int_t)n))
		return err_set(err, -ERANGE, ERR_INVALID_PARAMS, key, "%s: %.40s is %s", option,
			       text, n > NUMBER_MAX ? "too large" : "no whole number"),
		       false;
	jsonx_set(body, key, is_real ? json_real(n) : json_integer((json_int_t)n));
	return true;
}

enum ctl_exit ctl_api_act(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	_cleanup_json_ json_t *body = json_object();
	bool is_delete = strcmp(ctl->verb, "delete") == 0;
	enum ctl_exit e;

	if (!add_number(body, "timeout_s", "--timeout", ctl->timeout, err))
		return CTL_USAGE;
	if (ctl->force)
		jsonx_set_bool(body, "force", true);
	e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf(
		"/containers/%s%s%s", id, is_delete ? "" : "/", is_delete ? "" : ctl->verb);
	return ctl_change(ctl, is_delete ? "DELETE" : "POST", path, body, err);
}

/* The one that is named, or the only one. */
static enum ctl_exit project_of(const struct ctl *ctl, char **ret, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e;

	if (ctl->project)
		return ctl_find_project(ctl, ctl->project, ret, err);
	e = ctl_http_list(ctl, "/projects", "projects", &all, err);
	if (e != CTL_OK)
		return e;
	if (json_array_size(all) == 1) {
		*ret = xstrdup(ctl_text_of(json_array_get(all, 0), "id"));
		return CTL_OK;
	}
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--project", "%s",
		json_array_size(all) ? "--project: which? (hoodyctl project list)"
				     : "there is no project yet: hoodyctl project create ALIAS");
	return CTL_USAGE;
}

static enum ctl_exit add_env(const struct ctl *ctl, json_t *body, struct err *err)
{
	json_t *vars = json_object();

	for (size_t i = 0; i < ctl->env.n; i++) {
		const char *word = ctl->env.at[i], *equals = strchr(word, '=');
		_cleanup_(freep) char *key =
			equals ? xasprintf("%.*s", (int)(equals - word), word) : NULL;

		if (equals && equals > word &&
			json_object_set_new(vars, key, json_string(equals + 1)) == 0)
			continue;
		json_decref(vars);
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--env",
			       "--env: \"%.60s\": want KEY=VALUE", word),
		       CTL_USAGE;
	}
	if (json_object_size(vars) > 0)
		return jsonx_set(body, "environment_vars", vars), CTL_OK;
	json_decref(vars);
	return CTL_OK;
}

static enum ctl_exit add_limits(const struct ctl *ctl, json_t *body, struct err *err)
{
	json_t *limits = json_object();
	bool ok = add_number(limits, "memory_bytes", "--memory", ctl->memory, err) &&
		  add_number(limits, "pids", "--pids", ctl->pids, err) &&
		  add_number(limits, "cpu_cores", "--cpus", ctl->cpus, err);

	if (ok && json_object_size(limits) > 0)
		jsonx_set(body, "limits", json_incref(limits));
	json_decref(limits);
	return ok ? CTL_OK : CTL_USAGE;
}

/* Of what both a new container and a copy have. */
static void add_name(const struct ctl *ctl, const char *word, json_t *body)
{
	const char *name = ctl->name ? ctl->name : word;

	if (name)
		jsonx_set_string(body, "name", name);
	if (ctl->no_start)
		jsonx_set_bool(body, "start", false);
}

static enum ctl_exit copy(const struct ctl *ctl, const char *source, const char *snapshot,
	const char *name, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	_cleanup_json_ json_t *body = json_object();
	enum ctl_exit e;

	if (!add_number(body, "timeout_s", "--timeout", ctl->timeout, err))
		return CTL_USAGE;
	add_name(ctl, name, body);
	if (snapshot)
		jsonx_set_string(body, "source_snapshot", snapshot);
	e = ctl_keys_read(ctl, 0, NULL, body, err);
	if (e == CTL_OK)
		e = ctl_find(ctl, source, &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/copy", id);
	return ctl_change(ctl, "POST", path, body, err);
}

enum ctl_exit ctl_api_copy(const struct ctl *ctl, struct err *err)
{
	return copy(ctl, ctl->args[0], ctl->from, ctl->args[1], err);
}

/* --from CONTAINER or CONTAINER/SNAPSHOT: the one argument is the name. */
static enum ctl_exit create_from(const struct ctl *ctl, struct err *err)
{
	size_t len = strcspn(ctl->from, "/");
	_cleanup_(freep) char *source = xasprintf("%.*s", (int)len, ctl->from);

	if (ctl->args[1] || ctl->env.n > 0 || ctl->memory || ctl->cpus || ctl->pids || ctl->project)
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--from",
			       "a copy has its image, project, variables and limits of --from"),
		       CTL_USAGE;
	return copy(ctl, source, ctl->from[len] ? ctl->from + len + 1 : NULL, ctl->args[0], err);
}

enum ctl_exit ctl_api_create(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *path = NULL, *project = NULL;
	_cleanup_json_ json_t *body = json_object();
	enum ctl_exit e;

	if (ctl->from)
		return create_from(ctl, err);
	if (!ctl->args[0])
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
			       "container create needs an IMAGE (builtin:busybox is always there), "
			       "or --from"),
		       CTL_USAGE;
	jsonx_set_string(body, "image", ctl->args[0]);
	add_name(ctl, ctl->args[1], body);
	e = add_limits(ctl, body, err);
	if (e == CTL_OK)
		e = add_env(ctl, body, err);
	if (e == CTL_OK)
		e = ctl_keys_read(ctl, 0, NULL, body, err);
	if (e == CTL_OK)
		e = project_of(ctl, &project, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf("/projects/%s/containers", project);
	return ctl_change(ctl, "POST", path, body, err);
}

enum ctl_exit ctl_api_project_create(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *body = jsonx_pack("{s:s}", "alias", ctl->args[0]), *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "POST", "/projects", body, false, &data, err);

	if (e == CTL_OK && ctl->json)
		ctl_out_json(data);
	else if (e == CTL_OK)
		puts(ctl_text_of(data, "id"));
	return e;
}

/* --- operations --- */

static bool begins(const char *id, const char *word)
{
	return id && strlen(word) >= PREFIX_MIN && strncmp(id, word, strlen(word)) == 0;
}

/* Its id or its order's, or the beginning of one of the last. */
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
		const char *id = ctl_text_of(v, "operation_id"),
			   *order = ctl_text_of(v, "order_id");

		if (id && (begins(id, word) || begins(order, word)))
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

/* --- events, logs --- */

struct live {
	const struct ctl *ctl;
	const char *container; /* its own only, or NULL */
	json_t *names;
};

static bool on_event(const json_t *event, void *userdata)
{
	struct live *l = userdata;
	const char *resource = ctl_text_of(event, "resource_id");

	if (l->container && (!resource || strcmp(resource, l->container) != 0))
		return true;
	if (l->ctl->json) {
		_cleanup_(freep) char *text = jsonx_dump(event);

		puts(text);
	} else {
		ctl_events_print(l->ctl, event, &l->names);
	}
	(void)fflush(stdout);
	return true;
}

/* Events that come are lines, not rows of a list, and a list is there before them only of @logs. */
static enum ctl_exit hold_against_follow(const struct ctl *ctl, bool logs, struct err *err)
{
	const struct {
		const char *name;
		bool given, of_list;
	} unsuited[] = { { "watch", ctl->watch }, { "quiet", ctl->quiet },
		{ "lines", ctl->lines != NULL }, { "filter", ctl->filter != NULL, true },
		{ "sort", ctl->sort != NULL, true }, { "columns", ctl->columns != NULL, true },
		{ "output", ctl->output != NULL, true } };

	for (size_t i = 0; ctl->follow && i < countof(unsuited); i++)
		if (unsuited[i].given && !(logs && unsuited[i].of_list))
			return err_set(err, -EINVAL, ERR_INVALID_PARAMS, "--follow",
				       "--%s does nothing with --follow", unsuited[i].name),
			       CTL_USAGE;
	return CTL_OK;
}

static enum ctl_exit follow(const struct ctl *ctl, const char *container, struct err *err)
{
	struct live l = { .ctl = ctl, .container = container };
	bool interrupted;
	enum ctl_exit e = ctl_http_follow(ctl, "/events", on_event, &l, &interrupted, err);

	json_decref(l.names);
	return e;
}

enum ctl_exit ctl_api_events(const struct ctl *ctl, struct err *err)
{
	enum ctl_exit e = hold_against_follow(ctl, /* logs= */ false, err);

	if (e != CTL_OK)
		return e;
	if (ctl->follow)
		return follow(ctl, NULL, err);
	return ctl_show_newest(ctl, ctl_views_of(ctl->command), "/events", "events", 50, err);
}

enum ctl_exit ctl_api_logs(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	enum ctl_exit e = hold_against_follow(ctl, /* logs= */ true, err);

	if (e == CTL_OK)
		e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/status-logs?sort_order=asc", id);
	e = ctl_show_list(ctl, ctl_views_of(ctl->command), path, "logs", err);
	return e == CTL_OK && ctl->follow ? follow(ctl, id, err) : e;
}
