/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers (hoody-api.md section 6): lists, one, its status log, and the calls that make one. */
#include "agent/api/api_body.h"
#include "agent/api/api_handlers.h"
#include "agent/api/api_order.h"
#include "agent/api/api_show.h"
#include "agent/ops/localorder.h"
#include "agent/state/desired.h"
#include "agent/state/history.h"

#define LIST_LIMIT   50
#define LIST_MAX     100
#define STATUS_LIMIT 10
#define STATUS_MAX   100

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

static bool read_sorting(struct api_call *c, struct sorting *ret)
{
	const char *by = api_query(c, "sort_by");
	bool ascending = true;

	if (!api_sort_order(c, &ascending))
		return false;
	*ret = (struct sorting){ by_id, ascending ? 1 : -1 };
	for (size_t i = 0; by && i < countof(columns); i++)
		if (strcmp(by, columns[i].name) == 0) {
			ret->compare = columns[i].compare;
			by = NULL;
		}
	if (!by)
		return true;
	api_refuse(c, ERR_INVALID_PARAMS, "sort_by",
		"sort_by must be id, name, status, created_at or updated_at");
	return false;
}

static void list(struct api_call *c, const char *project_id)
{
	struct desired *d = c->agent->desired;
	_cleanup_(freep) struct container **found = xcalloc(desired_count(d) + 1, sizeof(*found));
	json_t *rows = json_array();
	struct sorting sorting;
	int64_t page, limit;
	size_t n = 0;

	if (!api_page(c, LIST_LIMIT, LIST_MAX, &page, &limit) || !read_sorting(c, &sorting)) {
		json_decref(rows);
		return;
	}
	for (size_t i = 0; i < desired_count(d); i++)
		if (!project_id || strcmp(desired_at(d, i)->spec.project_id, project_id) == 0)
			found[n++] = desired_at(d, i);
	qsort_r(found, n, sizeof(*found), compare, &sorting);
	for (size_t i = (size_t)((page - 1) * limit); i < n && i < (size_t)(page * limit); i++)
		(void)json_array_append_new(rows, api_show_container(c->agent, found[i]));
	api_ok(c, 200, "containers",
		json_pack("{s:o, s:o}", "containers", rows, "pagination",
			api_pagination((int64_t)n, page, limit)));
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
		api_ok(c, 200, "container", api_show_container(c->agent, found));
}

void api_container_status_logs(struct api_call *c)
{
	const char *by = api_query(c, "sort_by");
	struct container *found = api_container(c);
	struct history_page page = {};
	int64_t number, total;
	json_t *logs;

	if (!found || !api_page(c, STATUS_LIMIT, STATUS_MAX, &number, &page.limit) ||
		!api_sort_order(c, &page.ascending))
		return;
	if (by && history_status_column(by) < 0) {
		api_refuse(c, ERR_INVALID_PARAMS, "sort_by",
			"sort_by must be transition_time, created_at, to_status or from_status");
		return;
	}
	page.sort = by ? (unsigned)history_status_column(by) : 0;
	page.offset = (number - 1) * page.limit;
	logs = history_status_list(c->agent->store, found->spec.id, &page, &total);
	api_ok(c, 200, "status logs",
		json_pack("{s:o, s:o}", "logs", logs, "pagination",
			api_pagination(total, number, page.limit)));
}

/* --- names: where there is none the node gives one --- */

static void give_name(const struct api_call *c, const char *id, json_t *params)
{
	if (api_project_is_standalone(c->agent) && !json_object_get(params, "name"))
		(void)json_object_set_new(params, "name", json_sprintf("container-%.8s", id));
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
	const struct container *source = api_container(c);
	const char *project = json_string_value(json_object_get(c->body, "target_project_id"));
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
	(void)json_object_set_new(params, "source_container_id", json_string(source->spec.id));
	localorder_new_id(id);
	give_name(c, id, params);
	api_order(c, OP_CONTAINER_COPY, id, project, params);
}
