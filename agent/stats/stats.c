/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What containers and the node use. A scrape goes through all containers once: values of cgroup
 * files, whose descriptors are kept as long as the same init runs (a meter); links, by one look
 * at all of the host's; disk, from the file system's quotas or else from
 * agent/stats/diskcount.c, which is owned here. The same samples serve the local API, the
 * metrics and the control API, in the form that is published.
 *
 * A timer takes them for the control API and offers them to the uplink, which keeps the newest;
 * an API that doesn't know that is sent reports of PART containers. Without an API there is no
 * timer. Shares of processor time are since the last look, whoever took it. What can't be known
 * is null; nothing is made up, and nothing is stored. */
#include "agent/stats/stats.h"

#include <sys/resource.h>

#include "agent/host/ctwatch.h"
#include "agent/report/tell.h"
#include "agent/state/ctlink.h"
#include "agent/stats/diskcount.h"
#include "agent/stats/diskuse.h"
#include "agent/stats/nodestats.h"
#include "agent/stats/statjson.h"
#include "agent/uplink/uplink.h"
#include "netns/ifstats.h"
#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PART 200 /* containers of one report */

/* A container's kept descriptors, for as long as this init runs. */
struct meter {
	char id[IDENT_ID_LEN + 1];
	pid_t pid;
	struct ctmeter *files;
	bool seen; /* in this scrape */
};

struct stats {
	struct agent *agent;
	sd_event_source *timer;
	struct diskcount *disk;
	struct meter *meters; /* sorted by id */
	size_t n_meters;
	struct {
		char name[16];
		struct stats_net net;
	} * links; /* of the last look, sorted */
	size_t n_links;
	struct nodestats *node;
	uint64_t taken_us; /* for the API, the last time; at first: when we began */
};

/* --- meters --- */

static size_t place(const struct stats *s, const char *id)
{
	return sorted_place(s->meters, s->n_meters, sizeof(*s->meters), id, sorted_by_text);
}

static void forget(struct stats *s, size_t i)
{
	(void)ctmeter_close(s->meters[i].files);
	memmove(s->meters + i, s->meters + i + 1, (s->n_meters - i - 1) * sizeof(*s->meters));
	s->n_meters--;
}

/* NULL: it does not run. */
static struct meter *meter_of(struct stats *s, const struct container *c)
{
	pid_t pid = ctwatch_pid(c);
	size_t i = place(s, c->spec.id);
	struct meter *m =
		i < s->n_meters && strcmp(s->meters[i].id, c->spec.id) == 0 ? &s->meters[i] : NULL;
	struct ctmeter *files;

	if (m && m->pid == pid)
		return m;
	if (m)
		forget(s, i);
	if (pid <= 0 || ctmeter_open(s->agent->groups, c->spec.id, &files) < 0)
		return NULL;
	s->meters = xrealloc(s->meters, s->n_meters + 1, sizeof(*s->meters));
	memmove(s->meters + i + 1, s->meters + i, (s->n_meters - i) * sizeof(*s->meters));
	s->n_meters++;
	m = &s->meters[i];
	*m = (struct meter){ .pid = pid, .files = files };
	strcpy(m->id, c->spec.id);
	return m;
}

static void take_meter(struct stats *s, const struct container *c, struct stats_sample *ret)
{
	struct meter *m = meter_of(s, c);

	ret->has_meter = m && ctmeter_read(m->files, ret->value) == 0;
	if (m)
		m->seen = true;
	if (m && !ret->has_meter)
		forget(s, (size_t)(m - s->meters));
}

/* Of containers that have gone or ended. */
static void forget_unseen(struct stats *s)
{
	for (size_t i = s->n_meters; i-- > 0;)
		if (!s->meters[i].seen)
			forget(s, i);
		else
			s->meters[i].seen = false;
}

/* --- links --- */

/* What the host's end receives its container has sent. */
static void on_link(const char *name, const struct rtnl_link_stats64 *l, void *userdata)
{
	struct stats *s = userdata;
	const char *prefix = s->agent->conf.network.interface_prefix;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || strlen(name) >= sizeof(s->links->name))
		return;
	s->links = xrealloc(s->links, s->n_links + 1, sizeof(*s->links));
	strcpy(s->links[s->n_links].name, name);
	s->links[s->n_links++].net = (struct stats_net){ .known = true,
		.received_bytes = l->tx_bytes,
		.sent_bytes = l->rx_bytes,
		.received_packets = l->tx_packets,
		.sent_packets = l->rx_packets,
		.received_errors = l->tx_errors,
		.sent_errors = l->rx_errors,
		.received_dropped = l->tx_dropped,
		.sent_dropped = l->rx_dropped };
}

static void look_at_links(struct stats *s)
{
	s->n_links = 0;
	if (ifstats_read(on_link, s) < 0)
		s->n_links = 0;
	if (s->n_links > 0)
		qsort(s->links, s->n_links, sizeof(*s->links), sorted_by_text);
}

static struct stats_net link_of(const struct stats *s, struct container *c)
{
	const char *name = ctlink_name(&s->agent->conf, c);
	size_t i = sorted_place(s->links, s->n_links, sizeof(*s->links), name, sorted_by_text);

	return i < s->n_links && strcmp(s->links[i].name, name) == 0 ? s->links[i].net
								     : (struct stats_net){};
}

/* --- a scrape --- */

void stats_scrape(struct stats *s, const struct container *only,
	void (*each)(const struct stats_sample *sample, void *userdata), void *userdata)
{
	struct agent *a = s->agent;
	struct diskuse *disk = diskuse_look(a);

	look_at_links(s);
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		struct container *c = desired_at(a->desired, i);
		struct stats_sample sample = { .container = c };

		if (only && c != only)
			continue;
		take_meter(s, c, &sample);
		sample.disk_bytes = diskuse_of(disk, c);
		if (sample.disk_bytes < 0)
			sample.disk_bytes = diskcount_of(s->disk, c);
		sample.net = link_of(s, c);
		each(&sample, userdata);
	}
	if (!only)
		forget_unseen(s);
	(void)diskuse_free(disk);
}

void stats_note_disk(struct stats *s, const char *id, const json_t *result)
{
	diskcount_note(s->disk, id, result);
}

struct nodestats *stats_of_node(const struct stats *s)
{
	return s->node;
}

/* --- reports --- */

struct taken {
	const struct agent *agent;
	json_t *containers;
};

/* To an API that knows only reports of them. */
static void send_reports(
	struct agent *a, json_t *containers, json_t *node_steals, int64_t interval_ms)
{
	size_t n = json_array_size(containers);

	for (size_t i = 0; i < n; i += PART) {
		json_t *part = json_array();

		for (size_t j = i; j < MIN_OF(i + PART, n); j++)
			(void)json_array_append(part, json_array_get(containers, j));
		tell_container_stats(a, interval_ms, part);
	}
	tell_node_stats(a, node_steals);
}

static void add(const struct stats_sample *sample, void *userdata)
{
	struct taken *t = userdata;

	(void)json_array_append_new(t->containers, statjson_container(t->agent, sample, NULL));
}

static void take(struct stats *s)
{
	struct agent *a = s->agent;
	int64_t interval_ms = uplink_stats_interval_s(a->uplink) * 1000;
	_cleanup_json_ json_t *containers = json_array(), *all = NULL;
	char at[IDENT_TIME_LEN + 1];
	json_t *node = nodestats_json(s->node);

	stats_scrape(s, NULL, add, &(struct taken){ a, containers });
	ident_time_format(agent_now_ms(), at);
	all = json_object();
	jsonx_set_int(all, "v", 1);
	jsonx_set_string(all, "node_id", a->conf.node.node_id);
	jsonx_set_string(all, "boot_id", a->boot_id);
	jsonx_set_string(all, "at", at);
	jsonx_set_int(all, "interval_ms", interval_ms);
	jsonx_set(all, "containers", json_incref(containers));
	jsonx_set(all, "node", json_incref(node));
	if (uplink_offer_stats(a->uplink, all))
		json_decref(node);
	else
		send_reports(a, containers, node, interval_ms);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct stats *s = userdata;

	take(s);
	s->taken_us = clock_us(CLOCK_MONOTONIC);
	stats_reload(s);
	return 0;
}

void stats_reload(struct stats *s)
{
	const struct conf *c = &s->agent->conf;
	int64_t interval_s = uplink_stats_interval_s(s->agent->uplink);
	bool on = c->control.api_url[0] && interval_s > 0; /* else nobody would read them */

	if (on)
		(void)sd_event_source_set_time(
			s->timer, s->taken_us + (uint64_t)interval_s * 1000000);
	(void)sd_event_source_set_enabled(s->timer, on ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	diskcount_reload(s->disk);
}

void stats_wake(struct stats *s)
{
	diskcount_wake(s->disk);
}

/* --- life --- */

/* Each container that runs has some ten files open. */
static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

int stats_new(struct agent *a, struct stats **ret)
{
	struct stats *s = xcalloc(1, sizeof(*s));
	int r = sd_event_add_time_relative(
		a->event, &s->timer, CLOCK_MONOTONIC, UINT32_MAX, 100000, on_time, s);

	if (r < 0) {
		free(s);
		return r;
	}
	s->agent = a;
	s->taken_us = clock_us(CLOCK_MONOTONIC);
	s->node = nodestats_new(a);
	r = diskcount_new(a, &s->disk);
	if (r < 0) {
		(void)stats_free(s);
		return r;
	}
	raise_file_limit();
	stats_reload(s);
	*ret = s;
	return 0;
}

struct stats *stats_free(struct stats *s)
{
	if (s) {
		s->timer = sd_event_source_disable_unref(s->timer);
		while (s->n_meters > 0)
			forget(s, s->n_meters - 1);
		free(s->meters);
		free(s->links);
		s->node = nodestats_free(s->node);
		s->disk = diskcount_free(s->disk);
		free(s);
	}
	return NULL;
}
