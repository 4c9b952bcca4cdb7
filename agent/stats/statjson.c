/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sample in the form that is published: LXD's and Incus' words and numbers where they have them.
 * What can't be known is null. */
#include "agent/stats/statjson.h"

#include <arpa/inet.h>
#include <math.h>
#include <sys/sysinfo.h>

#include "agent/common/agent.h"
#include "agent/host/ctwatch.h"
#include "agent/state/ctlink.h"
#include "agent/state/store.h"
#include "lxc/ctproc.h"
#include "lxc/ctspec.h"
#include "proto/clock.h"
#include "proto/jsonx.h"
#include "storage/ramlimit.h"

#define NS_PER_S 1000000000LL

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

double statjson_rounded(double value, double scale)
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
		statjson_rounded((double)s->value[CTMETER_CPU_NS] / allocated * 100, 10));
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
		statjson_rounded(
			(double)s->value[CTMETER_MEMORY_BYTES] / (double)total * 100, 100));
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
		"up" /* or put up again in a moment (agent/host/drift) */, "type", "broadcast");
}

static json_t *ramdisk_json(const struct ctspec *s, json_t *usage_steals)
{
	if (usage_steals && !s->ramdisk_project)
		(void)json_object_del(usage_steals, "project");
	return jsonx_pack("{s:s, s:I, s:b, s:o?}", "scope",
		s->ramdisk_project ? "project" : "container", "shared_pool_maximum",
		(json_int_t)ramlimit_ceiling(), "capacity_reserved", 0, "usage", usage_steals);
}

static json_t *pressure_json(const struct stats_sample *s)
{
	return jsonx_pack("{s:o, s:o, s:o}", "cpu_us", known(s->value[CTMETER_CPU_PRESSURE_US]),
		"memory_us", known(s->value[CTMETER_MEMORY_PRESSURE_US]), "io_us",
		known(s->value[CTMETER_IO_PRESSURE_US]));
}

json_t *statjson_project_name(const struct agent *a, const char *project_id)
{
	struct store_stmt *q;
	json_t *v = json_null();
	int r;

	if (a->conf.control.api_url[0])
		return v; /* the control API names projects, and doesn't tell */
	q = store_query(a->store, "SELECT alias FROM projects WHERE id=?1", "t", project_id);
	r = store_step(q);
	store_must(MIN_OF(r, 0));
	if (r > 0)
		v = json_string(store_text(q, 0));
	store_reset(q);
	return v;
}

json_t *statjson_container(
	const struct agent *a, const struct stats_sample *s, json_t *usage_steals)
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
	jsonx_set_int(v, "processes", s->has_meter ? MAX_OF(s->value[CTMETER_PIDS], 0) : 0);
	jsonx_set(v, "started_at", started_at(c));
	jsonx_set(v, "cpu", s->has_meter ? cpu_json(s) : json_null());
	jsonx_set(v, "memory", s->has_meter ? memory_json(s) : json_null());
	jsonx_set(v, "disk",
		jsonx_pack("{s:{s:I, s:o}}", "root", "total", (json_int_t)c->spec.limits.disk_bytes,
			"usage", known(s->disk_bytes)));
	jsonx_set(v, "network", network_json(a, s));
	jsonx_set(v, "project_name", statjson_project_name(a, c->spec.project_id));
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
