/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_query.h"

#define FILTERS_MAX 4

#define PAGE "page", "limit"
#define SORT "sort_by", "sort_order"
/* Published, and nothing that could make a difference on a node: all that it has is of any realm,
 * nothing is hidden for being expired, and so on. */
#define CONTAINERS                                                                   \
	"realm_id", "runtime", "include_proxy_domains", "include_proxy_permissions", \
		"include_expired", "include_deleting", "include_prespawn"
#define SHARES                                              \
	{ PAGE, SORT, "realm_id", "include_expired" },      \
	{                                                   \
		"target_type", "label", "status", "enabled" \
	}
/* Who receives a share doesn't see what its creator calls it. */
#define INCOMING                                       \
	{ PAGE, SORT, "realm_id", "include_expired" }, \
	{                                              \
		"target_type", "status", "enabled"     \
	}
#define IMAGES                                       \
	{ PAGE, SORT, "price", "rating", "search" }, \
	{                                            \
		"os", "architecture"                 \
	}

/* What handlers read, and members of the rows that a row is kept by. */
static const struct list {
	const char *path, *read[12], *filters[FILTERS_MAX];
} lists[] = {
	{ "/projects", { PAGE, SORT, "realm_id" }, {} },
	{ "/projects/{id}/containers", { PAGE, SORT, CONTAINERS }, {} },
	{ "/containers", { PAGE, SORT, CONTAINERS }, {} },
	{ "/containers/{id}/status-logs", { PAGE, SORT }, {} },
	{ "/containers/{id}/storage/shares", SHARES },
	{ "/containers/{id}/storage/incoming", INCOMING },
	{ "/storage/shares", SHARES },
	{ "/storage/incoming", INCOMING },
	{ "/images/public", IMAGES },
	{ "/images/user", IMAGES },
	{ "/proxy/aliases", { PAGE, SORT, "realm_id", "container_id" },
		{ "project_id", "enabled" } },
	{ "/events", { PAGE, SORT, "after", "bootstrap" }, {} },
	{ "/operations", { PAGE }, {} },
};

static const struct list *find(const char *path)
{
	for (size_t i = 0; i < countof(lists); i++)
		if (strcmp(lists[i].path, path) == 0)
			return &lists[i];
	return NULL;
}

static bool is_among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

int api_query_check(const char *path, const json_t *query, struct err *err)
{
	const struct list *l = find(path);
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)query, name, value) {
		if (l && !is_among(l->read, countof(l->read), name) &&
			!is_among(l->filters, countof(l->filters), name))
			return err_set(err, -EINVAL, ERR_INVALID_PARAMS, name,
				"%.100s is no parameter of this list", name);
	}
	return 0;
}

static bool has(const json_t *row, const char *member, const char *wanted)
{
	const json_t *v = json_object_get(row, member);
	const char *text =
		json_is_boolean(v) ? (json_is_true(v) ? "true" : "false") : json_string_value(v);

	return text && strcmp(text, wanted) == 0;
}

void api_query_filter(const char *path, const json_t *query, json_t *rows)
{
	const struct list *l = find(path);

	for (size_t f = 0; l && f < countof(l->filters) && l->filters[f]; f++) {
		const char *wanted = json_string_value(json_object_get(query, l->filters[f]));

		for (size_t i = json_array_size(rows); wanted && i > 0; i--)
			if (!has(json_array_get(rows, i - 1), l->filters[f], wanted))
				(void)json_array_remove(rows, i - 1);
	}
}
