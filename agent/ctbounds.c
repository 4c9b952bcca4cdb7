/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctbounds.h"

#include <sys/sysinfo.h>

#define MEMORY_RESERVE_SHARE 8 /* one part in so many of the memory stays the host's, … */
#define MEMORY_RESERVE_MIN   (256LL << 20)
#define MEMORY_SHARE_MAX     2 /* … but no more than that one */
#define PAGE_BYTES           4096

int64_t ctbounds_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long n;

	if (!f || fscanf(f, "%lld", &n) != 1)
		n = 0;
	if (f)
		(void)fclose(f);
	return n;
}

int64_t ctbounds_host_tasks(void)
{
	int64_t threads = ctbounds_number("/proc/sys/kernel/threads-max"),
		pids = ctbounds_number("/proc/sys/kernel/pid_max");

	return threads > 0 && pids > 0 ? MIN_OF(threads, pids) : MAX_OF(threads, pids);
}

int64_t ctbounds_host_memory(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? 0 : (int64_t)si.totalram * si.mem_unit;
}

int64_t ctbounds_tasks(const struct conf *conf)
{
	int64_t share = ctbounds_host_tasks() / CTBOUNDS_TASKS_SHARE;

	if (conf->containers.tasks_max > 0)
		return conf->containers.tasks_max;
	return MAX_OF(MIN_OF(share, (int64_t)CTBOUNDS_TASKS_MAX), (int64_t)CTBOUNDS_TASKS_MIN);
}

int64_t ctbounds_memory(const struct conf *conf)
{
	int64_t total = ctbounds_host_memory(),
		reserve = MAX_OF(total / MEMORY_RESERVE_SHARE, (int64_t)MEMORY_RESERVE_MIN);

	if (conf->containers.memory_max > 0)
		return conf->containers.memory_max;
	return (total - MIN_OF(reserve, total / MEMORY_SHARE_MAX)) / PAGE_BYTES * PAGE_BYTES;
}

json_t *ctbounds_json(const struct conf *conf)
{
	const struct {
		const char *name;
		int64_t value;
	} all[] = {
		{ "cgroups", conf->containers.cgroups_max },
		{ "cgroup_depth", conf->containers.cgroup_depth_max },
		{ "namespaces", conf->containers.namespaces_max },
		{ "inotify", conf->containers.inotify_max },
		{ "watches", conf->containers.watches_max },
		{ "tasks", ctbounds_tasks(conf) },
		{ "memory", ctbounds_memory(conf) },
	};
	json_t *v = json_object();

	for (size_t i = 0; i < countof(all); i++)
		if (json_object_set_new(v, all[i].name, json_integer(all[i].value)) < 0)
			abort();
	return v;
}
