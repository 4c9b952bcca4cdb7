/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/ctbounds.h"

#include <stdio.h>
#include <sys/sysinfo.h>

#include "proto/base.h"

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

int64_t ctbounds_tasks(int64_t configured)
{
	int64_t share;

	if (configured > 0)
		return configured;
	share = ctbounds_host_tasks() / CTBOUNDS_TASKS_SHARE;
	return MAX_OF(MIN_OF(share, (int64_t)CTBOUNDS_TASKS_MAX), (int64_t)CTBOUNDS_TASKS_MIN);
}

int64_t ctbounds_memory(int64_t configured)
{
	int64_t total, reserve;

	if (configured > 0)
		return configured;
	total = ctbounds_host_memory();
	reserve = MAX_OF(total / MEMORY_RESERVE_SHARE, (int64_t)MEMORY_RESERVE_MIN);
	return (total - MIN_OF(reserve, total / MEMORY_SHARE_MAX)) / PAGE_BYTES * PAGE_BYTES;
}
