/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders and reports in memory, and an append-only log in the state directory from which a
 * restarted API goes on. */
#include <fcntl.h>

#include "tests/control-api/api.h"

static size_t bucket_of(const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id; id++)
		hash = (hash ^ (uint8_t)*id) * 16777619u;
	return hash % API_HASH;
}

struct api_order *api_order_find(const struct api *api, const char *id)
{
	struct api_order *o = id ? api->by_id[bucket_of(id)] : NULL;

	while (o && strcmp(o->id, id) != 0)
		o = o->hash_next;
	return o;
}

struct api_order *api_order_add(struct api *api, uint64_t seq, const char *id, char *envelope_takes)
{
	struct api_order *o = xcalloc(1, sizeof(*o));
	size_t at = api->n_orders;

	o->seq = seq;
	(void)snprintf(o->id, sizeof(o->id), "%s", id);
	o->envelope = envelope_takes;
	o->issued_ms = api_now_ms(NULL);
	if (api->n_orders == api->a_orders) {
		api->a_orders = api->a_orders ? api->a_orders * 2 : 64;
		api->orders = xrealloc(api->orders, api->a_orders, sizeof(*api->orders));
	}
	while (at > 0 && api->orders[at - 1]->seq > seq)
		at--;
	memmove(api->orders + at + 1, api->orders + at,
		(api->n_orders - at) * sizeof(*api->orders));
	api->orders[at] = o;
	api->n_orders++;
	o->hash_next = api->by_id[bucket_of(o->id)];
	api->by_id[bucket_of(o->id)] = o;
	if (seq >= api->next_seq)
		api->next_seq = seq + 1;
	return o;
}

/* Index of the first order whose seq is above @after. */
size_t api_first_after(const struct api *api, uint64_t after)
{
	size_t low = 0, high = api->n_orders;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (api->orders[mid]->seq <= after)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void api_report_add(struct api *api, uint64_t seq, const char *text)
{
	if (api->n_reports == api->a_reports) {
		api->a_reports = api->a_reports ? api->a_reports * 2 : 256;
		api->reports = xrealloc(api->reports, api->a_reports, sizeof(*api->reports));
	}
	api->reports[api->n_reports++] = (struct api_report){ seq, xstrdup(text) };
	api->acked_seq = seq;
}

void api_log(struct api *api, const char *kind, json_t *v_steals)
{
	char *text = json_dumps(v_steals, JSON_COMPACT);
	_cleanup_(freep) char *line = xasprintf("%s %s\n", kind, text);

	if (write(api->log_fd, line, strlen(line)) < 0)
		abort();
	free(text);
	json_decref(v_steals);
}

static void note_terminal(struct api *api, const char *text)
{
	json_t *v = json_loads(text, 0, NULL);
	const char *state = json_string_value(json_object_get(v, "state"));
	struct api_order *o =
		api_order_find(api, json_string_value(json_object_get(v, "order_id")));

	if (o && state && !o->terminal &&
		(strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
			strcmp(state, "rejected") == 0)) {
		o->terminal = xstrdup(text);
		o->terminals = 1;
		api->n_terminal++;
	}
	json_decref(v);
}

static void replay_line(struct api *api, const char *kind, const json_t *v)
{
	const char *text = json_string_value(json_object_get(v, "text"));
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(v, "seq"));

	if (strcmp(kind, "order") == 0) {
		(void)api_order_add(
			api, seq, json_string_value(json_object_get(v, "id")), xstrdup(text));
	} else if (strcmp(kind, "report") == 0) {
		api_report_add(api, seq, text);
		note_terminal(api, text);
	} else if (strcmp(kind, "batch") == 0) {
		api->has_prev =
			api_unhex(json_string_value(json_object_get(v, "digest")), api->prev, 32);
	} else if (strcmp(kind, "nodekey") == 0) {
		api->has_node_key = api_unhex(
			json_string_value(json_object_get(v, "public_key_hex")), api->node_key, 32);
	}
}

void api_replay(struct api *api)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(api->log_path, "re");

	while (f && getline(&line, &size, f) > 0) {
		char *space = strchr(line, ' ');
		json_t *v = space ? json_loads(space + 1, 0, NULL) : NULL;

		if (v) { /* a line that was cut by a kill is the last one */
			*space = '\0';
			replay_line(api, line, v);
		}
		json_decref(v);
	}
	free(line);
	if (f)
		(void)fclose(f);
	api->log_fd = open(api->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (api->log_fd < 0)
		abort();
}
