/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What containers and the node use. A scrape goes through all containers once: values of cgroup
 * files, whose descriptors are kept as long as the same init runs (a meter); links, by one dump
 * of all of the host's; disk, from the file system's quotas or else from
 * agent/stats/diskcount.c, which is owned here. The same samples serve the local API, the
 * metrics and the control API, in the form that is published.
 *
 * A timer takes them for the control API and offers them to the uplink, which keeps the newest;
 * an API that doesn't know that is sent reports of PART containers. Without an API there is no
 * timer. Shares of processor time are since the last look, whoever took it. What can't be known
 * is null; nothing is made up, and nothing is stored. */
#include "agent/stats/stats.h"

#include <arpa/inet.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "agent/engine/unfinished.h"
#include "agent/host/ctwatch.h"
#include "agent/host/diskuse.h"
#include "agent/report/counters.h"
#include "agent/report/tell.h"
#include "agent/state/ctlink.h"
#include "agent/state/store.h"
#include "agent/stats/diskcount.h"
#include "agent/uplink/uplink.h"
#include "lxc/ctspec.h"
#include "lxc/ctproc.h"
#include "netns/ifstats.h"
#include "netns/rtname.h"
#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define NS_PER_S      1000000000LL
#define RAMDISK_BYTES (512LL << 20)
#define PART          200 /* containers of one report */
#define RUNTIME_MS    2000

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
	} * links; /* of the last dump, sorted */
	size_t n_links;
	uint64_t cpu_busy, cpu_total; /* of the host at the last look */
	uint64_t taken_us;            /* for the API, the last time; at first: when we began */
	json_t *runtime;              /* stats_runtime's last look, at runtime_ms */
	int64_t runtime_ms;
};

/* --- meters --- */

static size_t place(const struct stats *s, const char *id)
{
	size_t low = 0, high = s->n_meters;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(s->meters[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
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
static void on_link(const char *name, bool up, const struct rtnl_link_stats64 *l, void *userdata)
{
	struct stats *s = userdata;
	const char *prefix = s->agent->conf.network.interface_prefix;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || strlen(name) >= sizeof(s->links->name))
		return;
	s->links = xrealloc(s->links, s->n_links + 1, sizeof(*s->links));
	strcpy(s->links[s->n_links].name, name);
	s->links[s->n_links++].net = (struct stats_net){ .known = true,
		.up = up,
		.received_bytes = l->tx_bytes,
		.sent_bytes = l->rx_bytes,
		.received_packets = l->tx_packets,
		.sent_packets = l->rx_packets,
		.received_errors = l->tx_errors,
		.sent_errors = l->rx_errors,
		.received_dropped = l->tx_dropped,
		.sent_dropped = l->rx_dropped };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void look_at_links(struct stats *s)
{
	s->n_links = 0;
	if (ifstats_dump(on_link, s) < 0)
		s->n_links = 0; /* told as not known */
	if (s->n_links > 0)
		qsort(s->links, s->n_links, sizeof(*s->links), by_name);
}

static struct stats_net link_of(const struct stats *s, const struct container *c)
{
	struct rtlink link;
	size_t low = 0, high = s->n_links;

	rtname_fill(s->agent->conf.network.interface_prefix, c->spec.id, &link);
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(s->links[mid].name, link.name);

		if (order == 0)
			return s->links[mid].net;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (struct stats_net){};
}

/* --- a scrape --- */

void stats_scrape(struct stats *s, const struct container *only,
	void (*each)(const struct stats_sample *sample, void *userdata), void *userdata)
{
	struct agent *a = s->agent;
	struct diskuse *disk = diskuse_look(a);

	look_at_links(s);
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);
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

/* --- the public form --- */

/* As LXD's and Incus' API number states. */
static void state_of(const struct container *c, const char **ret_word, int *ret_code)
{
	static const struct {
		enum ct_status status;
		const char *word;
		int code;
	} states[] = {
		{ CT_RUNNING, "Running", 103 },
		{ CT_STOPPED, "Stopped", 102 },
		{ CT_PAUSED, "Frozen", 110 },
		{ CT_CREATING, "Starting", 106 },
		{ CT_COPYING, "Starting", 106 },
		{ CT_DELETING, "Stopping", 107 },
	};

	*ret_word = "Error";
	*ret_code = 112;
	for (size_t i = 0; i < countof(states); i++)
		if (states[i].status == c->status) {
			*ret_word = states[i].word;
			*ret_code = states[i].code;
		}
}

/* When init began. */
static json_t *started_at(const struct container *c)
{
	uint64_t ticks = ctwatch_pid(c) > 0 ? ctproc_started(ctwatch_pid(c)) : 0;

	return ticks == 0 ? json_null()
			  : jsonx_time(clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME) +
				       (int64_t)(ticks * 1000 /
						 (unsigned long long)sysconf(_SC_CLK_TCK)));
}

/* To one decimal (@scale 10) or two (100). */
static double rounded(double value, double scale)
{
	return round(value * scale) / scale;
}

static json_t *known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

/* What it may use of the time: its own processors', or all. */
static double cores_of(const struct container *c)
{
	return c->spec.limits.cpu_cores > 0 ? c->spec.limits.cpu_cores
					    : (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/* usage_percent is that of the published example: all that it ever used against one second of all
 * that it may use. */
static json_t *cpu_json(const struct stats_sample *s)
{
	double allocated = cores_of(s->container) * (double)NS_PER_S;

	if (s->value[CTMETER_CPU_NS] < 0)
		return json_null();
	return jsonx_pack("{s:I, s:I, s:f}", "usage", (json_int_t)s->value[CTMETER_CPU_NS],
		"allocated_time", (json_int_t)allocated, "usage_percent",
		rounded((double)s->value[CTMETER_CPU_NS] / allocated * 100, 10));
}

static json_t *memory_json(const struct stats_sample *s)
{
	int64_t limit = s->value[CTMETER_MEMORY_LIMIT_BYTES], total = limit;
	struct sysinfo si;
	json_t *v;

	if (s->value[CTMETER_MEMORY_BYTES] < 0) /* the host has no such controller */
		return json_null();
	if (sysinfo(&si) == 0 && (limit < 0 || limit > (int64_t)(si.totalram * si.mem_unit)))
		total = (int64_t)(si.totalram * si.mem_unit);
	v = json_object();
	jsonx_set_int(v, "usage", s->value[CTMETER_MEMORY_BYTES]);
	jsonx_set_int(v, "total", total);
	jsonx_set_real(v, "usage_percent",
		rounded((double)s->value[CTMETER_MEMORY_BYTES] / (double)total * 100, 100));
	jsonx_set(v, "usage_peak", known(s->value[CTMETER_MEMORY_PEAK_BYTES]));
	jsonx_set(v, "swap_usage", known(MAX_OF(s->value[CTMETER_SWAP_BYTES], 0)));
	jsonx_set(v, "swap_usage_peak", known(MAX_OF(s->value[CTMETER_SWAP_PEAK_BYTES], 0)));
	return v;
}

static json_t *addresses_json(const struct agent *a, const struct container *c)
{
	const uint32_t wire = htonl(c->spec.ipv4);
	char four[INET_ADDRSTRLEN], six[INET6_ADDRSTRLEN];
	json_t *list = jsonx_pack("[{s:s, s:s, s:s, s:s}]", "address",
		inet_ntop(AF_INET, &wire, four, sizeof(four)), "family", "inet", "netmask", "32",
		"scope", "global");

	if (ctlink_address6(&a->conf, &c->spec, six))
		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:s, s:s, s:s}", "address", six, "family", "inet6",
				      "netmask", "128", "scope", "global"));
	return list;
}

static json_t *network_json(const struct agent *a, const struct stats_sample *s)
{
	const struct stats_net *n = &s->net;

	if (!n->known || !s->has_meter) /* the kernel takes its time to clear a namespace away */
		return json_array();
	return jsonx_pack("[{s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:s, s:s}]",
		"interface", "eth0", "addresses", addresses_json(a, s->container), "counters",
		"bytes_received", (json_int_t)n->received_bytes, "bytes_sent",
		(json_int_t)n->sent_bytes, "packets_received", (json_int_t)n->received_packets,
		"packets_sent", (json_int_t)n->sent_packets, "errors_received",
		(json_int_t)n->received_errors, "errors_sent", (json_int_t)n->sent_errors,
		"packets_dropped_inbound", (json_int_t)n->received_dropped,
		"packets_dropped_outbound", (json_int_t)n->sent_dropped, "state",
		n->up ? "up" : "down", "type", "broadcast");
}

static json_t *ramdisk_json(const struct ctspec *s, json_t *usage_steals)
{
	struct sysinfo si;
	int64_t most = RAMDISK_BYTES;

	if (sysinfo(&si) == 0)
		most = MIN_OF(most, (int64_t)(si.totalram * si.mem_unit / 2));
	if (usage_steals && !s->ramdisk_project)
		(void)json_object_del(usage_steals, "project");
	return jsonx_pack("{s:s, s:I, s:b, s:o?}", "scope",
		s->ramdisk_project ? "project" : "container", "shared_pool_maximum",
		(json_int_t)most, "capacity_reserved", 0, "usage", usage_steals);
}

static json_t *pressure_json(const struct stats_sample *s)
{
	return jsonx_pack("{s:o, s:o, s:o}", "cpu_us", known(s->value[CTMETER_CPU_PRESSURE_US]),
		"memory_us", known(s->value[CTMETER_MEMORY_PRESSURE_US]), "io_us",
		known(s->value[CTMETER_IO_PRESSURE_US]));
}

json_t *stats_project_name(const struct agent *a, const char *project_id)
{
	struct store_stmt *q;
	json_t *v = json_null();

	if (a->conf.control.api_url[0])
		return v; /* the control API names projects, and doesn't tell */
	q = store_query(a->store, "SELECT alias FROM projects WHERE id=?1", "t", project_id);
	if (store_step(q) > 0)
		v = json_string(store_text(q, 0));
	store_reset(q);
	return v;
}

json_t *stats_json(const struct agent *a, const struct stats_sample *s, json_t *usage_steals)
{
	const struct container *c = s->container;
	int64_t begin_ms = clock_ms(CLOCK_MONOTONIC);
	const char *word;
	int code;
	json_t *v;

	state_of(c, &word, &code);
	v = json_object();
	jsonx_set_string(v, "id", c->spec.id);
	jsonx_set_string(v, "project_id", c->spec.project_id);
	jsonx_set_string(v, "name", c->spec.name);
	jsonx_set_string(v, "server_name", a->conf.node.name);
	jsonx_set_string(v, "subserver_name", a->conf.node.name);
	jsonx_set_string(v, "status", word);
	jsonx_set_int(v, "status_code", code);
	jsonx_set_int(v, "processes", (s->has_meter ? MAX_OF(s->value[CTMETER_PIDS], 0) : 0));
	jsonx_set(v, "started_at", started_at(c));
	jsonx_set(v, "cpu", s->has_meter ? cpu_json(s) : json_null());
	jsonx_set(v, "memory", s->has_meter ? memory_json(s) : json_null());
	jsonx_set(v, "disk",
		jsonx_pack("{s:{s:I, s:o}}", "root", "total", (json_int_t)c->spec.limits.disk_bytes,
			"usage", known(s->disk_bytes)));
	jsonx_set(v, "network", network_json(a, s));
	jsonx_set(v, "project_name", stats_project_name(a, c->spec.project_id));
	if (s->has_meter) {
		jsonx_set(v, "io",
			jsonx_pack("{s:o, s:o}", "read_bytes",
				known(s->value[CTMETER_IO_READ_BYTES]), "write_bytes",
				known(s->value[CTMETER_IO_WRITE_BYTES])));
		jsonx_set(v, "pressure", pressure_json(s));
	}
	if (c->spec.ramdisk)
		jsonx_set(v, "ramdisk", ramdisk_json(&c->spec, usage_steals));
	else
		json_decref(usage_steals);
	jsonx_set(v, "processing_time",
		json_sprintf("%lldms", (long long)(clock_ms(CLOCK_MONOTONIC) - begin_ms)));
	return v;
}

/* --- the node --- */

/* Shares of the processors since the last look: NULL at the first. */
static json_t *busy(struct stats *s)
{
	unsigned long long v[8] = {}, total = 0, idle;
	FILE *f = fopen("/proc/stat", "re");
	json_t *result = json_null();

	if (f) {
		if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			    &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
			v[0] = 0;
		(void)fclose(f);
	}
	for (size_t i = 0; i < countof(v); i++)
		total += v[i];
	idle = v[3] + v[4];
	if (s->cpu_total > 0 && total > s->cpu_total)
		result = json_real(rounded(
			(double)(total - idle - s->cpu_busy) / (double)(total - s->cpu_total) * 100,
			10));
	s->cpu_busy = total - idle;
	s->cpu_total = total;
	return result;
}

static json_t *amount(int64_t used, int64_t total)
{
	return jsonx_pack("{s:I, s:I, s:f}", "used_bytes", (json_int_t)used, "total_bytes",
		(json_int_t)total, "pct",
		total > 0 ? rounded((double)used / (double)total * 100, 10) : 0.0);
}

static int64_t available_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lld kB", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kib * 1024;
}

static json_t *storage(const struct agent *a)
{
	struct statvfs fs;

	if (statvfs(a->conf.storage.pool, &fs) < 0)
		return json_null();
	return amount((int64_t)((fs.f_blocks - fs.f_bfree) * fs.f_frsize),
		(int64_t)(fs.f_blocks * fs.f_frsize));
}

static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	if (f) {
		if (fscanf(f, "%*d %lld", &pages) != 1)
			pages = 0;
		(void)fclose(f);
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static json_t *agent_json(const struct agent *a)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return jsonx_pack("{s:I, s:I, s:I, s:I}", "rss_bytes", (json_int_t)resident_bytes(),
		"cpu_ns",
		(json_int_t)((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
			     (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000),
		"orders_total", (json_int_t)a->counters->orders, "orders_unfinished",
		(json_int_t)unfinished_count(a->engine));
}

json_t *stats_node(struct stats *s)
{
	struct sysinfo si = {};
	double load[3] = {};
	int64_t total, swap;
	json_t *v;

	(void)sysinfo(&si);
	(void)!getloadavg(load, 3);
	total = (int64_t)(si.totalram * si.mem_unit);
	swap = (int64_t)(si.totalswap * si.mem_unit);
	v = json_object();
	jsonx_set_int(v, "uptime_s", si.uptime);
	jsonx_set_int(v, "cores", sysconf(_SC_NPROCESSORS_ONLN));
	jsonx_set(v, "load",
		jsonx_pack("{s:f, s:f, s:f}", "1", rounded(load[0], 100), "5",
			rounded(load[1], 100), "15", rounded(load[2], 100)));
	jsonx_set(v, "cpu", jsonx_pack("{s:o}", "busy_pct", busy(s)));
	jsonx_set(v, "mem", amount(total - available_memory(), total));
	jsonx_set(v, "swap", amount(swap - (int64_t)(si.freeswap * si.mem_unit), swap));
	jsonx_set(v, "storage", storage(s->agent));
	jsonx_set(v, "agent", agent_json(s->agent));
	return v;
}

static void look_at_runtime(struct stats *s)
{
	json_t *v = stats_node(s);
	char now[IDENT_TIME_LEN + 1];

	ident_time_format(clock_ms(CLOCK_REALTIME), now);
	(void)json_object_del(v, "agent");
	(void)json_object_del(json_object_get(v, "swap"), "pct");
	jsonx_set_string(v, "scope", "server");
	jsonx_set_string(v, "ts", now);
	jsonx_set_bool(v, "stale", false);
	json_decref(s->runtime);
	s->runtime = v;
	s->runtime_ms = clock_ms(CLOCK_MONOTONIC);
}

json_t *stats_runtime(struct stats *s)
{
	json_t *v;

	if (!s->runtime || clock_ms(CLOCK_MONOTONIC) - s->runtime_ms >= RUNTIME_MS)
		look_at_runtime(s);
	v = json_copy(s->runtime);
	jsonx_set_int(v, "cache_age_ms", clock_ms(CLOCK_MONOTONIC) - s->runtime_ms);
	return v;
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

	(void)json_array_append_new(t->containers, stats_json(t->agent, sample, NULL));
}

static void take(struct stats *s)
{
	struct agent *a = s->agent;
	int64_t interval_ms = uplink_stats_interval_s(a->uplink) * 1000;
	_cleanup_json_ json_t *containers = json_array(), *all = NULL;
	char at[IDENT_TIME_LEN + 1];
	json_t *node = stats_node(s);

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
		json_decref(s->runtime);
		s->disk = diskcount_free(s->disk);
		free(s);
	}
	return NULL;
}
