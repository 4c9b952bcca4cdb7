/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of a container and of a project (hoody-api.md sections 6 and 5). */

#include "agent/api/api_handlers.h"
#include "agent/engine/worker.h"
#include "agent/host/ctwatch.h"
#include "agent/state/desired.h"
#include "agent/stats/nodestats.h"
#include "agent/stats/statjson.h"
#include "agent/stats/stats.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#define MEASURE_MS 5000

struct answer {
	struct api_call *call;
	json_t *usage; /* of the ramdisk */
	json_t *list;
};

static void add(const struct stats_sample *sample, void *userdata)
{
	struct answer *a = userdata;

	(void)json_array_append_new(
		a->list, statjson_container(a->call->agent, sample, TAKE(a->usage)));
}

static void answer_one(struct api_call *c, json_t *usage_steals)
{
	const struct container *found = desired_find(c->agent->desired, c->args[0]);
	struct answer a = { c, usage_steals, json_array() };

	if (found)
		stats_scrape(c->agent->stats, found, add, &a);
	json_decref(a.usage);
	if (json_array_size(a.list) > 0)
		api_ok(c, 200, "statistics", json_incref(json_array_get(a.list, 0)));
	else
		api_refuse(c, ERR_CONTAINER_NOT_FOUND, "id", "the container was deleted meanwhile");
	json_decref(a.list);
}

/* --- what a worker walks for whoever asks: a ramdisk, and a root that nobody has counted --- */

static void see_disk(const struct stats_sample *sample, void *userdata)
{
	*(bool *)userdata = sample->disk_bytes >= 0;
}

static void on_root(struct worker_result *res, void *userdata)
{
	struct api_call *c = userdata;

	if (res->r >= 0)
		stats_note_disk(c->agent->stats, c->args[0], res->data);
	answer_one(c, json_incref(c->answer));
}

static bool is_disk_known(struct api_call *c, const struct container *of)
{
	bool known = true;

	stats_scrape(c->agent->stats, of, see_disk, &known);
	return known;
}

static void measure(
	struct api_call *c, const struct container *of, const char *what, worker_done done)
{
	_cleanup_(freep) char *job =
		worker_job_text(&c->agent->conf, &of->spec, what, "act", json_object());

	worker_run(c->worker, job, MEASURE_MS, done, NULL, c);
}

/* null where it could not be measured. */
static void on_ramdisk(struct worker_result *res, void *userdata)
{
	struct api_call *c = userdata;
	const struct container *found = desired_find(c->agent->desired, c->args[0]);

	c->answer = res->r < 0 ? NULL : json_incref(res->data);
	if (found && !is_disk_known(c, found))
		measure(c, found, "root-measure", on_root);
	else
		answer_one(c, json_incref(c->answer));
}

void api_stats_container(struct api_call *c)
{
	struct container *found = api_container(c);
	bool ramdisk, disk;

	if (!found)
		return;
	ramdisk = found->spec.ramdisk && ctwatch_pid(found) > 0;
	disk = !is_disk_known(c, found);
	if (ramdisk || disk)
		c->worker = worker_take(c->agent->workers);
	if (!c->worker)
		answer_one(c, NULL);
	else if (ramdisk)
		measure(c, found, "ramdisk-measure", on_ramdisk);
	else
		measure(c, found, "root-measure", on_root);
}

struct project {
	struct answer answer;
	const char *id;
};

static void add_of_project(const struct stats_sample *sample, void *userdata)
{
	struct project *p = userdata;

	if (strcmp(sample->container->spec.project_id, p->id) == 0)
		add(sample, &p->answer);
}

/* Of the node and all its containers: what hoodyctl top shows. */
void api_stats_all(struct api_call *c)
{
	struct answer a = { c, NULL, json_array() };

	stats_scrape(c->agent->stats, NULL, add, &a);
	api_whole(c, json_array_size(a.list));
	api_ok(c, 200, "statistics",
		jsonx_pack("{s:o, s:o}", "node", nodestats_json(stats_of_node(c->agent->stats)),
			"containers", a.list));
}

static json_int_t sum(const json_t *list, const char *object, const char *member)
{
	json_int_t total = 0;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		total += json_integer_value(json_object_get(json_object_get(v, object), member));
	return total;
}

void api_stats_project(struct api_call *c)
{
	struct project p = { { c, NULL, json_array() }, c->args[0] };
	int64_t begin_us = (int64_t)clock_us(CLOCK_MONOTONIC);

	if (!api_project_is_known(c)) {
		json_decref(p.answer.list);
		return;
	}
	stats_scrape(c->agent->stats, NULL, add_of_project, &p);
	api_whole(c, json_array_size(p.answer.list));
	api_ok(c, 200, "statistics",
		jsonx_pack("{s:o, s:{s:s, s:o, s:I, s:I, s:I, s:o}}", "stats", p.answer.list,
			"summary", "project_id", c->args[0], "project_name",
			statjson_project_name(c->agent, c->args[0]), "container_count",
			(json_int_t)json_array_size(p.answer.list), "cpu_usage",
			sum(p.answer.list, "cpu", "usage"), "memory_usage",
			sum(p.answer.list, "memory", "usage"), "total_processing_time",
			json_sprintf("%lldms",
				(long long)((int64_t)clock_us(CLOCK_MONOTONIC) - begin_us) /
					1000)));
}
