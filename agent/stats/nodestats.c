/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/stats/nodestats.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "agent/common/agent.h"
#include "agent/engine/unfinished.h"
#include "agent/report/counters.h"
#include "agent/stats/statjson.h"
#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define NS_PER_S   1000000000LL
#define RUNTIME_MS 2000

struct nodestats {
	struct agent *agent;
	uint64_t cpu_busy, cpu_total; /* of the host at the last look */
	json_t *runtime;              /* nodestats_runtime's last look, at runtime_ms */
	int64_t runtime_ms;
};

/* Shares of the processors since the last look: NULL at the first. */
static json_t *busy(struct nodestats *s)
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
		result = json_real(statjson_rounded(
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
		total > 0 ? statjson_rounded((double)used / (double)total * 100, 10) : 0.0);
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

int64_t nodestats_resident_bytes(void)
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
	return jsonx_pack("{s:I, s:I, s:I, s:I}", "rss_bytes",
		(json_int_t)nodestats_resident_bytes(), "cpu_ns",
		(json_int_t)((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
			     (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000),
		"orders_total", (json_int_t)a->counters->orders, "orders_unfinished",
		(json_int_t)unfinished_count(a->engine));
}

json_t *nodestats_json(struct nodestats *s)
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
		jsonx_pack("{s:f, s:f, s:f}", "1", statjson_rounded(load[0], 100), "5",
			statjson_rounded(load[1], 100), "15", statjson_rounded(load[2], 100)));
	jsonx_set(v, "cpu", jsonx_pack("{s:o}", "busy_pct", busy(s)));
	jsonx_set(v, "mem", amount(total - available_memory(), total));
	jsonx_set(v, "swap", amount(swap - (int64_t)(si.freeswap * si.mem_unit), swap));
	jsonx_set(v, "storage", storage(s->agent));
	jsonx_set(v, "agent", agent_json(s->agent));
	return v;
}

static void look_at_runtime(struct nodestats *s)
{
	json_t *v = nodestats_json(s);
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

json_t *nodestats_runtime(struct nodestats *s)
{
	json_t *v;

	if (!s->runtime || clock_ms(CLOCK_MONOTONIC) - s->runtime_ms >= RUNTIME_MS)
		look_at_runtime(s);
	v = json_copy(s->runtime);
	jsonx_set_int(v, "cache_age_ms", clock_ms(CLOCK_MONOTONIC) - s->runtime_ms);
	return v;
}

struct nodestats *nodestats_new(struct agent *a)
{
	struct nodestats *s = xcalloc(1, sizeof(*s));

	s->agent = a;
	return s;
}

struct nodestats *nodestats_free(struct nodestats *s)
{
	if (s) {
		json_decref(s->runtime);
		free(s);
	}
	return NULL;
}
