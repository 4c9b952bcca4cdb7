/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's nouns: containers, projects, operations and events by the local API. Lists are one
 * table of columns each; whatever changes something is one flow: begin it, follow it to its end, and
 * let go of it when the user interrupts. */
#include <inttypes.h>

#include "agent/ctl_http.h"
#include "agent/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PREFIX_MIN 2

/* --- lists --- */

struct column {
	const char *head, *member; /* "a.b": of an inner object */
	bool coloured;
};

static const struct column container_columns[] = { { "CONTAINER", "id" }, { "NAME", "name" },
	{ "STATUS", "status", true }, { "PID", "pid" }, { "PROJECT", "project_id" },
	{ "IMAGE", "container_image" } };
static const struct column project_columns[] = { { "PROJECT", "id" }, { "ALIAS", "alias" },
	{ "CONTAINERS", "container_count" } };
static const struct column operation_columns[] = { { "OPERATION", "operation_id" },
	{ "WHAT", "operation" }, { "CONTAINER", "container_id" }, { "STATUS", "status", true },
	{ "MS", "duration_ms" }, { "ORIGIN", "origin" }, { "ERROR", "error.code" } };
static const struct column log_columns[] = { { "TIME", "transition_time" },
	{ "FROM", "from_status" }, { "TO", "to_status", true }, { "MS", "duration_ms" },
	{ "BY", "triggered_by" } };
static const struct column event_columns[] = { { "TIME", "created_at" }, { "EVENT", "event_type" },
	{ "RESOURCE", "resource_id" } };

static const json_t *member(const json_t *v, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[32];

	if (!dot)
		return json_object_get(v, path);
	(void)snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return json_object_get(json_object_get(v, first), dot + 1);
}

static void add_row(struct ctl_text *t, const struct column *columns, size_t n, const json_t *row)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = member(row, columns[i].member);
		const char *s = json_string_value(v);

		if (json_is_integer(v))
			ctl_text_number(t, json_integer_value(v));
		else
			ctl_text_cell(t, s && *s ? s : NULL,
				columns[i].coloured ? ctl_text_colour_of(s ? s : "") : CTL_PLAIN);
	}
}

static void print_list(
	const struct ctl *ctl, const struct column *columns, size_t n, const json_t *list)
{
	const char *heads[CTL_TEXT_COLUMNS_MAX];
	_cleanup_(ctl_text_freep) struct ctl_text *t = NULL;
	json_t *row;
	size_t i;

	for (i = 0; i < n; i++)
		heads[i] = columns[i].head;
	t = ctl_text_new(heads, n);
	json_array_foreach((json_t *)list, i, row)
	{
		const char *id = json_string_value(member(row, columns[0].member));

		if (ctl->quiet)
			puts(id ? id : "-");
		else
			add_row(t, columns, n, row);
	}
	if (!ctl->quiet)
		ctl_text_print(t, stdout, ctl->colour);
}

static enum ctl_exit list(const struct ctl *ctl, const char *path, const char *name,
	const struct column *columns, size_t n, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);

	if (e != CTL_OK)
		return e;
	if (ctl->json)
		ctl_print_json(json_object_get(data, name));
	else
		print_list(ctl, columns, n, json_object_get(data, name));
	return CTL_OK;
}

enum ctl_exit ctl_api_containers(const struct ctl *ctl, struct err *err)
{
	return list(ctl, "/containers?limit=100&sort_by=name", "containers", container_columns,
		countof(container_columns), err);
}

enum ctl_exit ctl_api_projects(const struct ctl *ctl, struct err *err)
{
	return list(ctl, "/projects?limit=100", "projects", project_columns,
		countof(project_columns), err);
}

enum ctl_exit ctl_api_operations(const struct ctl *ctl, struct err *err)
{
	return list(ctl, "/operations?limit=20", "operations", operation_columns,
		countof(operation_columns), err);
}

/* --- one object --- */

static void print_object(const struct ctl *ctl, const json_t *v)
{
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);
	const char *key;
	json_t *m;

	json_object_foreach((json_t *)v, key, m)
	{
		_cleanup_(freep) char *text = json_is_string(m) ? xstrdup(json_string_value(m))
								: json_dumps(m, JSON_ENCODE_ANY);

		ctl_text_cell(t, key, CTL_BOLD);
		ctl_text_cell(t, json_is_null(m) ? "-" : text,
			strcmp(key, "status") == 0 ? ctl_text_colour_of(text) : CTL_PLAIN);
	}
	ctl_text_print(t, stdout, ctl->colour);
}

static enum ctl_exit show(const struct ctl *ctl, const char *path, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);

	if (e == CTL_OK && ctl->json)
		ctl_print_json(data);
	else if (e == CTL_OK)
		print_object(ctl, data);
	return e;
}

/* --- which container: an id, a name, or the beginning of an id that no other has --- */

static bool fits(const json_t *c, const char *word, bool by_prefix)
{
	const char *id = ctl_text_of(c, "id"), *name = ctl_text_of(c, "name");

	if (by_prefix)
		return id && strncmp(id, word, strlen(word)) == 0;
	return (id && strcmp(id, word) == 0) || (name && strcmp(name, word) == 0);
}

static enum ctl_exit choose(
	const json_t *all, const char *word, bool by_prefix, char **ret, struct err *err)
{
	_cleanup_(freep) char *names = xstrdup("");
	const char *found = NULL;
	json_t *c;
	size_t i;

	json_array_foreach((json_t *)all, i, c)
	{
		char *more;

		if (!fits(c, word, by_prefix))
			continue;
		more = xasprintf("%s %s", names, ctl_text_of(c, "id"));
		free(names);
		names = more;
		if (found)
			found = "";
		else
			found = ctl_text_of(c, "id");
	}
	if (found && !*found) {
		(void)err_set(err, -ENOTUNIQ, ERR_INVALID_PARAMS, NULL, "\"%s\" could be any of%s",
			word, names);
		return CTL_USAGE;
	}
	*ret = found ? xstrdup(found) : NULL;
	return CTL_OK;
}

static enum ctl_exit find_container(
	const struct ctl *ctl, const char *word, char **ret, struct err *err)
{
	_cleanup_json_ json_t *data = NULL;
	const json_t *all;
	enum ctl_exit e =
		ctl_http_ask(ctl, "GET", "/containers?limit=100", NULL, false, &data, err);

	if (e != CTL_OK)
		return e;
	if (ident_is_id(word)) { /* there or not: the API says */
		*ret = xstrdup(word);
		return CTL_OK;
	}
	all = json_object_get(data, "containers");
	e = choose(all, word, /* by_prefix= */ false, ret, err);
	if (e == CTL_OK && !*ret && strlen(word) >= PREFIX_MIN)
		e = choose(all, word, /* by_prefix= */ true, ret, err);
	if (e == CTL_OK && !*ret) {
		(void)err_set(err, -ENOENT, ERR_CONTAINER_NOT_FOUND, NULL,
			"there is no container \"%s\" on this node (CONTAINER_NOT_FOUND)", word);
		return CTL_FAILED;
	}
	return e;
}

enum ctl_exit ctl_api_container(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	enum ctl_exit e = find_container(ctl, ctl->args[0], &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s", id);
	return show(ctl, path, err);
}

/* --- what takes time --- */

struct following {
	const struct ctl *ctl;
	bool draws; /* a line that is drawn over, on a terminal */
	json_t *last;
};

static bool on_step(const json_t *data, void *userdata)
{
	struct following *f = userdata;
	const char *status = ctl_text_of(data, "status"),
		   *stage = json_string_value(member(data, "progress.stage"));
	const json_t *percent = member(data, "progress.percent");

	json_decref(f->last);
	f->last = json_deep_copy(data);
	if (f->draws)
		fprintf(stderr, "\r\033[K%s: %s%s%s", ctl_text_of(data, "operation"), status,
			stage ? ", " : "", stage ? stage : "");
	if (f->draws && percent)
		fprintf(stderr, " %" JSON_INTEGER_FORMAT " %%", json_integer_value(percent));
	return true;
}

static enum ctl_exit tell_end(const struct ctl *ctl, const json_t *v, struct err *err)
{
	const char *status = ctl_text_of(v, "status"), *id = ctl_text_of(v, "container_id");
	char text[CTL_TEXT_MAX];

	if (ctl->json)
		ctl_print_json(v);
	if (!status || strcmp(status, "succeeded") != 0) {
		const char *message = json_string_value(member(v, "error.message")),
			   *code = json_string_value(member(v, "error.code"));

		(void)err_set(err, -EREMOTEIO, ERR_INTERNAL, NULL, "%s (%s)",
			message ? message : "it did not succeed", code ? code : "no code");
		return CTL_FAILED;
	}
	if (ctl->quiet)
		puts(id ? id : "");
	else if (!ctl->json)
		printf("%s %s: done in %s\n", ctl_text_of(v, "operation"), id ? id : "",
			ctl_text_duration(
				json_integer_value(json_object_get(v, "duration_ms")), text));
	return CTL_OK;
}

static enum ctl_exit follow(const struct ctl *ctl, const char *operation_id, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/operations/%s/events", operation_id);
	struct following f = { .ctl = ctl, .draws = isatty(STDERR_FILENO) && !ctl->quiet };
	bool interrupted;
	enum ctl_exit e = ctl_http_follow(ctl, path, on_step, &f, &interrupted, err);

	if (f.draws)
		fputs("\r\033[K", stderr);
	if (interrupted)
		fprintf(stderr,
			"hoodyctl: it goes on; follow it with: hoodyctl operation follow %s\n",
			operation_id);
	else if (e == CTL_OK)
		e = tell_end(ctl, f.last, err);
	json_decref(f.last);
	return e;
}

/* Begin it, and see it through. */
static enum ctl_exit change(const struct ctl *ctl, const char *method, const char *path,
	const json_t *body, struct err *err)
{
	_cleanup_json_ json_t *begun = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, method, path, body, /* async= */ true, &begun, err);
	const char *id;

	if (e != CTL_OK)
		return e;
	id = ctl_text_of(begun, "operation_id");
	if (!id)
		return err_set(err, -EBADMSG, ERR_CHANNEL, NULL, "the agent named no operation"),
		       CTL_FAILED;
	if (!ctl->async)
		return follow(ctl, id, err);
	if (ctl->json)
		ctl_print_json(begun);
	else
		puts(id);
	return CTL_OK;
}

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
	e = find_container(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf(
		"/containers/%s%s%s", id, is_delete ? "" : "/", is_delete ? "" : ctl->verb);
	return change(ctl, is_delete ? "DELETE" : "POST", path, body, err);
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
	return change(ctl, "POST", path, body, err);
}

enum ctl_exit ctl_api_project_create(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *body = json_pack("{s:s}", "alias", ctl->args[0]), *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "POST", "/projects", body, false, &data, err);

	if (e == CTL_OK && ctl->json)
		ctl_print_json(data);
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

	return is_operation(ctl, err) ? show(ctl, path, err) : CTL_USAGE;
}

enum ctl_exit ctl_api_follow(const struct ctl *ctl, struct err *err)
{
	return is_operation(ctl, err) ? follow(ctl, ctl->args[0], err) : CTL_USAGE;
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
	return list(ctl, "/events?limit=50", "events", event_columns, countof(event_columns), err);
}

enum ctl_exit ctl_api_logs(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *id = NULL, *path = NULL;
	struct live l = { .ctl = ctl };
	bool interrupted;
	enum ctl_exit e = find_container(ctl, ctl->args[0], &id, err);

	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/status-logs?limit=100&sort_order=asc", id);
	e = list(ctl, path, "logs", log_columns, countof(log_columns), err);
	l.container = id;
	if (e == CTL_OK && ctl->follow)
		e = ctl_http_follow(ctl, "/events", on_event, &l, &interrupted, err);
	return e;
}
