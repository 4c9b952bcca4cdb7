/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of metrics, written from top to bottom into memory whenever somebody asks; nothing is
 * kept between two pages but what others count (agent/report/counters.h). A family's samples
 * must stand together, so all containers are scraped first, and each column then goes through
 * the samples. NAN means not known: it is left out, and so is a family without samples.
 *
 * The two formats differ in names of families, in one kind and in the last line; family() and
 * metrics_text() know that, and the rest doesn't. Labels are ids and words of ours, which need
 * no escaping, and in one family names, which get it. Who may read it has been judged in
 * agent/api/portal.c. */
#include "agent/stats/metrics.h"

#include <dirent.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "agent/engine/engine.h"
#include "agent/engine/unfinished.h"
#include "agent/engine/worker.h"
#include "agent/host/ctnet.h"
#include "agent/report/counters.h"
#include "agent/state/desired.h"
#include "agent/state/outbox.h"
#include "agent/state/store.h"
#include "agent/stats/nodestats.h"
#include "agent/stats/stats.h"
#include "agent/uplink/uplink.h"
#include "proto/jsonx.h"

/* --- the format --- */

struct page {
	FILE *f;
	bool openmetrics;
	struct agent *agent;
	struct stats_sample *samples;
	size_t n;
};

enum kind { GAUGE, COUNTER, HISTOGRAM, INFO };

/* OpenMetrics calls a family of counters without the _total that its samples have, and an info
 * without its _info. */
static void family(const struct page *p, enum kind kind, const char *name, const char *help)
{
	static const char *const words[] = { "gauge", "counter", "histogram", "info" };
	static const char *const suffixes[] = { "", "_total", "", "_info" };
	int len = (int)(strlen(name) - strlen(suffixes[kind]));
	const char *word = kind == INFO && !p->openmetrics ? "gauge" : words[kind];

	if (!p->openmetrics)
		len = (int)strlen(name);
	(void)fprintf(p->f, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, word);
}

static void escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			(void)fputs("\\n", f);
		else if (*s == '"' || *s == '\\')
			(void)fprintf(f, "\\%c", *s);
		else
			(void)fputc(*s, f);
	}
}

static void number(const struct page *p, const char *name, double value)
{
	(void)fprintf(p->f, "%s %.17g\n", name, value);
}

static void single(
	const struct page *p, enum kind kind, const char *name, const char *help, double value)
{
	family(p, kind, name, help);
	number(p, name, value);
}

/* --- containers --- */

static double plain(int64_t v)
{
	return v < 0 || v == INT64_MAX ? NAN : (double)v;
}

/* One column of a scrape; NAN: not known, and left out. */
#define VALUE(function_, value_, unit_)                                                \
	static double function_(const struct stats_sample *s)                          \
	{                                                                              \
		return s->has_meter ? plain(s->value[value_]) / (double)(unit_) : NAN; \
	}
#define NET(function_, member_)                                     \
	static double function_(const struct stats_sample *s)       \
	{                                                           \
		return s->net.known ? (double)s->net.member_ : NAN; \
	}

VALUE(cpu_seconds, CTMETER_CPU_NS, 1e9)
VALUE(memory_usage, CTMETER_MEMORY_BYTES, 1)
VALUE(memory_peak, CTMETER_MEMORY_PEAK_BYTES, 1)
VALUE(memory_limit, CTMETER_MEMORY_LIMIT_BYTES, 1)
VALUE(swap_usage, CTMETER_SWAP_BYTES, 1)
VALUE(processes, CTMETER_PIDS, 1)
VALUE(io_read, CTMETER_IO_READ_BYTES, 1)
VALUE(io_written, CTMETER_IO_WRITE_BYTES, 1)
VALUE(cpu_waiting, CTMETER_CPU_PRESSURE_US, 1e6)
VALUE(memory_waiting, CTMETER_MEMORY_PRESSURE_US, 1e6)
VALUE(io_waiting, CTMETER_IO_PRESSURE_US, 1e6)
VALUE(oom_kills, CTMETER_OOM_KILLS, 1)
NET(received_bytes, received_bytes)
NET(sent_bytes, sent_bytes)
NET(received_packets, received_packets)
NET(sent_packets, sent_packets)
NET(received_dropped, received_dropped)
NET(sent_dropped, sent_dropped)

static double disk_usage(const struct stats_sample *s)
{
	return plain(s->disk_bytes);
}

static double disk_limit(const struct stats_sample *s)
{
	int64_t bytes = s->container->spec.limits.disk_bytes;

	return bytes > 0 ? (double)bytes : NAN;
}

static double cpu_limit(const struct stats_sample *s)
{
	return s->container->spec.limits.cpu_cores > 0 ? s->container->spec.limits.cpu_cores : NAN;
}

static double running(const struct stats_sample *s)
{
	return s->container->status == CT_RUNNING;
}

static const struct column {
	enum kind kind;
	const char *name, *help;
	double (*value)(const struct stats_sample *s);
} columns[] = {
	{ GAUGE, "hoody_container_running", "1 while the container runs.", running },
	{ COUNTER, "hoody_container_cpu_seconds_total", "Processor time used.", cpu_seconds },
	{ GAUGE, "hoody_container_cpu_limit_cores", "Processors that it may use.", cpu_limit },
	{ GAUGE, "hoody_container_memory_usage_bytes", "Memory in use, page cache included.",
		memory_usage },
	{ GAUGE, "hoody_container_memory_peak_bytes", "The most memory that was in use.",
		memory_peak },
	{ GAUGE, "hoody_container_memory_limit_bytes", "Memory that it may use.", memory_limit },
	{ GAUGE, "hoody_container_swap_usage_bytes", "Swap in use.", swap_usage },
	{ COUNTER, "hoody_container_oom_kills_total", "Processes killed for want of memory.",
		oom_kills },
	{ GAUGE, "hoody_container_processes", "Processes and threads.", processes },
	{ GAUGE, "hoody_container_disk_usage_bytes", "Disk taken by its root.", disk_usage },
	{ GAUGE, "hoody_container_disk_limit_bytes", "Disk that its root may take.", disk_limit },
	{ COUNTER, "hoody_container_io_read_bytes_total", "Bytes read from disks.", io_read },
	{ COUNTER, "hoody_container_io_written_bytes_total", "Bytes written to disks.",
		io_written },
	{ COUNTER, "hoody_container_network_receive_bytes_total", "Bytes received.",
		received_bytes },
	{ COUNTER, "hoody_container_network_transmit_bytes_total", "Bytes sent.", sent_bytes },
	{ COUNTER, "hoody_container_network_receive_packets_total", "Packets received.",
		received_packets },
	{ COUNTER, "hoody_container_network_transmit_packets_total", "Packets sent.",
		sent_packets },
	{ COUNTER, "hoody_container_network_receive_drop_total",
		"Packets to it that its link dropped.", received_dropped },
	{ COUNTER, "hoody_container_network_transmit_drop_total",
		"Packets from it that its link dropped.", sent_dropped },
	{ COUNTER, "hoody_container_pressure_cpu_waiting_seconds_total",
		"Time in which some process waited for a processor.", cpu_waiting },
	{ COUNTER, "hoody_container_pressure_memory_waiting_seconds_total",
		"Time in which some process waited for memory.", memory_waiting },
	{ COUNTER, "hoody_container_pressure_io_waiting_seconds_total",
		"Time in which some process waited for input or output.", io_waiting },
};

static void keep(const struct stats_sample *sample, void *userdata)
{
	struct page *p = userdata;

	p->samples[p->n++] = *sample;
}

static void column(const struct page *p, const struct column *c)
{
	bool begun = false;

	for (size_t i = 0; i < p->n; i++) {
		const struct ctspec *s = &p->samples[i].container->spec;
		double value = c->value(&p->samples[i]);

		if (isnan(value))
			continue;
		if (!begun)
			family(p, c->kind, c->name, c->help);
		begun = true;
		(void)fprintf(p->f, "%s{container_id=\"%s\",project_id=\"%s\"} %.17g\n", c->name,
			s->id, s->project_id, value);
	}
}

static void container_info(const struct page *p)
{
	if (p->n > 0)
		family(p, INFO, "hoody_container_info", "What the container is called.");
	for (size_t i = 0; i < p->n; i++) {
		const struct ctspec *s = &p->samples[i].container->spec;

		(void)fprintf(p->f,
			"hoody_container_info{container_id=\"%s\",project_id=\"%s\",name=\"", s->id,
			s->project_id);
		escaped(p->f, s->name);
		(void)fputs("\",image=\"", p->f);
		escaped(p->f, s->image);
		(void)fputs("\"} 1\n", p->f);
	}
}

static void refused_flows(const struct page *p)
{
	ctnet_look_refused(p->agent);
	family(p, COUNTER, "hoody_container_flows_refused_total",
		"Packets of new flows that were dropped because it had Network.MaxFlows already.");
	for (size_t i = 0; i < p->n; i++) {
		const struct container *c = p->samples[i].container;

		(void)fprintf(p->f,
			"hoody_container_flows_refused_total{container_id=\"%s\",project_id=\"%s\"}"
			" "
			"%llu\n",
			c->spec.id, c->spec.project_id,
			(unsigned long long)ctnet_refused(p->agent, c));
	}
}

static void containers(struct page *p)
{
	size_t by_status[CT_STATUS_COUNT] = {};

	p->samples = xcalloc(desired_count(p->agent->desired) + 1, sizeof(*p->samples));
	stats_scrape(p->agent->stats, NULL, keep, p);
	for (size_t i = 0; i < p->n; i++)
		by_status[p->samples[i].container->status]++;
	family(p, GAUGE, "hoody_containers", "Containers by status.");
	for (int s = CT_NONE + 1; s < CT_STATUS_COUNT; s++)
		(void)fprintf(p->f, "hoody_containers{status=\"%s\"} %zu\n",
			desired_status_name((enum ct_status)s), by_status[s]);
	container_info(p);
	for (size_t i = 0; i < countof(columns); i++)
		column(p, &columns[i]);
	if (p->n > 0)
		refused_flows(p);
	free(TAKE(p->samples));
}

/* --- orders --- */

static void orders(const struct page *p)
{
	const struct counters *m = p->agent->counters;

	family(p, COUNTER, "hoody_orders_total", "Orders that ended, by op and result.");
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		const char *name = oprules_wire((enum op)op);

		if (m->op[op].succeeded)
			(void)fprintf(p->f,
				"hoody_orders_total{op=\"%s\",result=\"succeeded\"} %llu\n", name,
				(unsigned long long)m->op[op].succeeded);
		if (m->op[op].failed)
			(void)fprintf(p->f,
				"hoody_orders_total{op=\"%s\",result=\"failed\"} %llu\n", name,
				(unsigned long long)m->op[op].failed);
	}
	single(p, GAUGE, "hoody_orders_unfinished", "Orders that wait or run.",
		(double)unfinished_count(p->agent->engine));
}

static void durations(const struct page *p)
{
	const struct counters *m = p->agent->counters;

	family(p, HISTOGRAM, "hoody_order_duration_seconds",
		"From an order's first attempt to its end.");
	for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
		const char *name = oprules_wire((enum op)op);
		unsigned long long n = 0;

		if (!m->op[op].succeeded && !m->op[op].failed)
			continue;
		for (size_t i = 0; i < countof(counters_bounds_ms); i++) {
			n += m->op[op].bucket[i];
			(void)fprintf(p->f,
				"hoody_order_duration_seconds_bucket{op=\"%s\",le=\"%g\"} %llu\n",
				name, (double)counters_bounds_ms[i] / 1000, n);
		}
		n += m->op[op].bucket[countof(counters_bounds_ms)];
		(void)fprintf(p->f,
			"hoody_order_duration_seconds_bucket{op=\"%s\",le=\"+Inf\"} %llu\n"
			"hoody_order_duration_seconds_sum{op=\"%s\"} %.17g\n"
			"hoody_order_duration_seconds_count{op=\"%s\"} %llu\n",
			name, n, name, (double)m->op[op].sum_ms / 1000, name, n);
	}
}

/* --- the agent, and the node --- */

static double open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	double n = -4; /* ".", ".." and the directory's own; one more for counting from 0 */

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n + 1;
}

static void process(const struct page *p)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	family(p, INFO, "hoody_agent_info", "The agent's version.");
	(void)fprintf(p->f, "hoody_agent_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	single(p, GAUGE, "process_start_time_seconds", "When the agent was started.",
		(double)p->agent->started_ms / 1000);
	single(p, COUNTER, "process_cpu_seconds_total", "Processor time that the agent has used.",
		(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	single(p, GAUGE, "process_resident_memory_bytes", "Memory that the agent has.",
		(double)nodestats_resident_bytes());
	single(p, GAUGE, "process_open_fds", "Files that the agent has open.", open_files());
	single(p, GAUGE, "hoody_workers_busy", "Workers that execute orders.",
		worker_pool_busy(p->agent->workers));
}

static void loop(const struct page *p)
{
	const struct counters *m = p->agent->counters;

	single(p, COUNTER, "hoody_loop_turns_total", "Turns of the agent's loop.",
		(double)m->loop.turns);
	single(p, COUNTER, "hoody_loop_long_turns_total",
		"Turns of the agent's loop that took more than 5 ms of the processor.",
		(double)m->loop.long_turns);
	single(p, GAUGE, "hoody_loop_work_max_seconds",
		"The most processor time that a turn of the agent's loop took.",
		(double)m->loop.worked_max_us / 1e6);
	single(p, GAUGE, "hoody_loop_turn_max_seconds",
		"How long the longest turn of the agent's loop took, waits for the disk included.",
		(double)m->loop.took_max_us / 1e6);
}

static void state(const struct page *p)
{
	struct store_times t = store_times(p->agent->store);

	single(p, COUNTER, "hoody_state_commits_total", "Commits of the state file.",
		(double)t.commits);
	single(p, GAUGE, "hoody_state_commit_last_seconds", "How long the last commit took.",
		(double)t.commit_last_us / 1e6);
	single(p, GAUGE, "hoody_state_commit_max_seconds", "How long the longest commit took.",
		(double)t.commit_max_us / 1e6);
	single(p, GAUGE, "hoody_outbox_reports", "Reports that are yet to be acknowledged.",
		(double)outbox_reports(p->agent->outbox));
	single(p, GAUGE, "hoody_outbox_bytes",
		"Bytes of the reports that are yet to be acknowledged.",
		(double)outbox_bytes(p->agent->outbox));
	single(p, COUNTER, "hoody_outbox_dropped_total",
		"Statistics that were dropped for newer ones.",
		(double)outbox_dropped(p->agent->outbox));
}

static void control(const struct page *p)
{
	_cleanup_json_ json_t *v = uplink_status(p->agent->uplink);
	const json_t *offset = json_object_get(json_object_get(v, "clock"), "offset_ms");
	const char *state = json_string_value(json_object_get(v, "state")),
		   *code = json_string_value(json_object_get(v, "last_error_code"));

	if (!v || !state)
		return;
	single(p, GAUGE, "hoody_control_up", "1 while the control API answers.",
		strcmp(state, "connected") == 0);
	single(p, GAUGE, "hoody_control_clock_skew",
		"1 while the control API's signed answers are of another time than this node's.",
		strcmp(code ? code : "", "clock_skew") == 0);
	if (json_is_integer(offset))
		single(p, GAUGE, "hoody_control_clock_offset_seconds",
			"The control API's time less this node's, by its last signed answer.",
			json_number_value(offset) / 1000);
	single(p, GAUGE, "hoody_control_after_seq", "The seq up to which orders were taken in.",
		json_number_value(json_object_get(v, "after")));
}

static void parts(const struct page *p)
{
	static const char *const words[] = { "changed", "healed", "refused" };
	const struct counters *m = p->agent->counters;

	family(p, COUNTER, "hoody_firewall_transactions_total",
		"Changes of the firewall by netlink: for a container, against somebody else's, "
		"refused by the kernel.");
	for (size_t i = 0; i < COUNTERS_FIREWALL; i++)
		(void)fprintf(p->f, "hoody_firewall_transactions_total{result=\"%s\"} %llu\n",
			words[i], (unsigned long long)m->firewall[i]);
	family(p, COUNTER, "hoody_leaf_starts_total",
		"Starts of the confined programs: more than one each means that one has died.");
	for (size_t i = 0; i < COUNTERS_LEAVES && m->leaf[i].program; i++)
		(void)fprintf(p->f, "hoody_leaf_starts_total{program=\"%s\"} %llu\n",
			m->leaf[i].program, (unsigned long long)m->leaf[i].starts);
}

static void node(const struct page *p)
{
	struct statvfs fs;
	struct sysinfo si;
	double load = 0;

	(void)!getloadavg(&load, 1);
	single(p, GAUGE, "hoody_node_load1", "Load of the host over one minute.", load);
	if (sysinfo(&si) == 0)
		single(p, GAUGE, "hoody_node_memory_bytes", "Memory of the host.",
			(double)si.totalram * si.mem_unit);
	if (statvfs(p->agent->conf.storage.pool, &fs) < 0)
		return;
	single(p, GAUGE, "hoody_pool_size_bytes", "Size of the pool's file system.",
		(double)fs.f_blocks * (double)fs.f_frsize);
	single(p, GAUGE, "hoody_pool_free_bytes", "What of the pool's file system is free.",
		(double)fs.f_bavail * (double)fs.f_frsize);
}

char *metrics_text(struct agent *a, bool openmetrics)
{
	struct page p = { .openmetrics = openmetrics, .agent = a };
	char *text = NULL;
	size_t size;

	p.f = open_memstream(&text, &size);
	if (!p.f)
		abort();
	process(&p);
	loop(&p);
	state(&p);
	control(&p);
	parts(&p);
	node(&p);
	orders(&p);
	durations(&p);
	containers(&p);
	if (openmetrics)
		(void)fputs("# EOF\n", p.f);
	(void)fclose(p.f);
	return text;
}
