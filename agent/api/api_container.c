/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers (hoody-api.md section 6): lists, one, its status log, and the calls that make one. */
#include "agent/api/api_body.h"
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/api/api_show.h"
#include "agent/ops/localorder.h"
#include "agent/state/desired.h"
#include "agent/state/history.h"
#include "proto/jsonx.h"

/* --- lists --- */

static int by_name(const struct container *a, const struct container *b)
{
	return strcmp(a->spec.name, b->spec.name);
}

static int by_status(const struct container *a, const struct container *b)
{
	return strcmp(desired_status_name(a->status), desired_status_name(b->status));
}

static int by_created(const struct container *a, const struct container *b)
{
	return (a->created_ms > b->created_ms) - (a->created_ms < b->created_ms);
}

static int by_changed(const struct container *a, const struct container *b)
{
	return (a->changed_ms > b->changed_ms) - (a->changed_ms < b->changed_ms);
}

static int by_id(const struct container *a, const struct container *b)
{
	return strcmp(a->spec.id, b->spec.id);
}

static const struct {
	const char *name;
	int (*compare)(const struct container *a, const struct container *b);
} columns[] = { { "id", by_id }, { "name", by_name }, { "status", by_status },
	{ "created_at", by_created }, { "updated_at", by_changed } };

struct sorting {
	int (*compare)(const struct container *a, const struct container *b);
	int sign;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct sorting *s = arg;
	const struct container *x = *(struct container *const *)a,
			       *y = *(struct container *const *)b;
	int order = s->sign * s->compare(x, y);

	return order ? order : by_id(x, y);
}

static struct sorting sorting_of(const struct api_call *c)
{
	struct sorting s = { by_id, strcmp(api_query(c, "sort_order"), "asc") == 0 ? 1 : -1 };

	for (size_t i = 0; i < countof(columns); i++)
		if (strcmp(api_query(c, "sort_by"), columns[i].name) == 0)
			s.compare = columns[i].compare;
	return s;
}

/* With what the query asks for beside it. */
static json_t *shown(const struct api_call *c, const struct container *of)
{
	json_t *v = api_show_container(c->agent, of);

	if (api_query_flag(c, "include_proxy_domains"))
		api_show_domains(c->agent, of, v);
	if (api_query_flag(c, "include_proxy_permissions"))
		api_show_permissions(c->agent, of, v);
	return v;
}

static bool is_listed(const struct api_call *c, const struct container *of, const char *project_id)
{
	return (!project_id || strcmp(of->spec.project_id, project_id) == 0) &&
	       (of->status != CT_DELETING || api_query_flag(c, "include_deleting"));
}

static void list(struct api_call *c, const char *project_id)
{
	struct desired *d = c->agent->desired;
	_cleanup_(freep) struct container **found = xcalloc(desired_count(d) + 1, sizeof(*found));
	size_t n = 0, from = (size_t)api_offset(c), most = (size_t)api_query_number(c, "limit");
	struct sorting sorting = sorting_of(c);
	json_t *rows = json_array();

	for (size_t i = 0; i < desired_count(d); i++)
		if (is_listed(c, desired_at(d, i), project_id))
			found[n++] = desired_at(d, i);
	qsort_r(found, n, sizeof(*found), compare, &sorting);
	for (size_t i = from; i < n && i < from + most; i++)
		(void)json_array_append_new(rows, shown(c, found[i]));
	api_page(c, "containers", rows, (int64_t)n, NULL);
}

void api_container_list(struct api_call *c)
{
	list(c, NULL);
}

void api_container_list_project(struct api_call *c)
{
	if (api_project_is_known(c))
		list(c, c->args[0]);
}

/* --- one --- */

void api_container_get(struct api_call *c)
{
	struct container *found = api_container(c);

	if (found)
		api_ok(c, 200, "container", shown(c, found));
}

void api_container_status_logs(struct api_call *c)
{
	struct container *found = api_container(c);
	struct history_page page;
	int64_t total;
	json_t *logs;

	if (!found)
		return;
	page = (struct history_page){
		.sort = (unsigned)history_status_column(api_query(c, "sort_by")),
		.ascending = strcmp(api_query(c, "sort_order"), "asc") == 0,
		.offset = api_offset(c),
		.limit = api_query_number(c, "limit"),
	};
	logs = history_status_list(c->agent->store, found->spec.id, &page, &total);
	api_page(c, "logs", logs, total, NULL);
}

/* --- names: where there is none the node gives one --- */

static void give_name(const struct api_call *c, const char *id, json_t *params)
{
	if (api_project_is_standalone(c->agent) && !json_object_get(params, "name"))
		jsonx_set(params, "name", json_sprintf("container-%.8s", id));
}

void api_container_update(struct api_call *c)
{
	struct container *found = api_container(c);
	struct err err = {};
	json_t *params = found ? api_body_params(OP_CONTAINER_UPDATE, c, &err) : NULL;

	if (found && !params)
		api_fail(c, &err, NULL);
	else if (found)
		api_order(c, OP_CONTAINER_UPDATE, found->spec.id, found->spec.project_id, params);
}

/* --- calls that make one --- */

/* A node makes containers of its own alone. One without an id goes by any. */
static bool is_this_server(struct api_call *c, const char *member)
{
	const char *own = c->agent->conf.node.node_id,
		   *id = json_string_value(json_object_get(c->body, member));

	if (!id || !own[0] || strcmp(id, own) == 0)
		return true;
	api_refuse(c, ERR_NOT_FOUND, member, "%s is another server's: this is %s", member, own);
	return false;
}

void api_container_create(struct api_call *c)
{
	char id[IDENT_ID_LEN + 1];
	struct err err = {};
	json_t *params;

	if (!api_project_may_have(c) || !is_this_server(c, "server_id"))
		return;
	params = api_body_params(OP_CONTAINER_CREATE, c, &err);
	if (!params) {
		api_fail(c, &err, NULL);
		return;
	}
	localorder_new_id(id);
	give_name(c, id, params);
	api_order(c, OP_CONTAINER_CREATE, id, c->args[0], params);
}

void api_container_copy(struct api_call *c)
{
	const char *project = json_string_value(json_object_get(c->body, "target_project_id"));
	const struct container *source = api_container(c);
	char id[IDENT_ID_LEN + 1];
	struct err err = {};
	json_t *params;

	if (!source || !is_this_server(c, "target_server_id"))
		return;
	if (project && !api_project_may_take(c, "target_project_id", project))
		return;
	params = api_body_params(OP_CONTAINER_COPY, c, &err);
	if (!params) {
		api_fail(c, &err, NULL);
		return;
	}
	if (!project)
		project = source->spec.project_id;
	jsonx_set_string(params, "source_container_id", source->spec.id);
	localorder_new_id(id);
	give_name(c, id, params);
	api_order(c, OP_CONTAINER_COPY, id, project, params);
}
