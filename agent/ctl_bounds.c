/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl_bounds.h"

#include "agent/ctbounds.h"

#define SHARE_MIN   8   /* so many containers must not take all there is */
#define USERNS_MIN  256 /* of one user: hosts have thousands */
#define INOTIFY_MIN 64
#define MIB         (1 << 20)

static void user_namespaces(const struct conf *conf, struct ctl_bounds_finding *ret)
{
	int64_t max = ctbounds_number("/proc/sys/user/max_user_namespaces");

	ret->check = "namespaces";
	ret->mend = "raise user.max_user_namespaces: containers are made of them";
	ret->fault = max < USERNS_MIN;
	(void)snprintf(ret->found, sizeof(ret->found),
		"the kernel lets a user have %lld user namespaces, the agent a container %lld",
		(long long)max, (long long)conf->containers.namespaces_max);
}

static void inotify(const struct conf *conf, struct ctl_bounds_finding *ret)
{
	int64_t max = ctbounds_number("/proc/sys/user/max_inotify_instances");

	ret->check = "inotify";
	ret->mend = "raise fs.inotify.max_user_instances: services in containers need some";
	ret->doubt = max < INOTIFY_MIN;
	(void)snprintf(ret->found, sizeof(ret->found),
		"the kernel lets a user have %lld instances, the agent a container %lld",
		(long long)max, (long long)conf->containers.inotify_max);
}

static void tasks(const struct conf *conf, struct ctl_bounds_finding *ret)
{
	int64_t max = ctbounds_host_tasks(), bound = ctbounds_tasks(conf);

	ret->check = "tasks";
	ret->mend = "lower Containers.TasksMax, or raise kernel.threads-max and kernel.pid_max";
	ret->doubt = bound > max / SHARE_MIN;
	(void)snprintf(ret->found, sizeof(ret->found),
		"a container has %lld at most unless it has a limit, the kernel %lld",
		(long long)bound, (long long)max);
}

static void memory(const struct conf *conf, struct ctl_bounds_finding *ret)
{
	int64_t max = ctbounds_host_memory(), bound = ctbounds_memory(conf);

	ret->check = "memory";
	ret->mend = "lower Containers.MemoryMax, or leave it at 0";
	ret->doubt = bound >= max;
	(void)snprintf(ret->found, sizeof(ret->found),
		"a container has %lld MiB at most unless it has a limit, the host %lld",
		(long long)(bound / MIB), (long long)(max / MIB));
}

void ctl_bounds_look(
	const struct conf *conf, struct ctl_bounds_finding ret[static CTL_BOUNDS_FINDINGS])
{
	void (*const looks[])(const struct conf *conf,
		struct ctl_bounds_finding *ret) = { user_namespaces, inotify, tasks, memory };

	static_assert(countof(looks) == CTL_BOUNDS_FINDINGS, "a finding each");
	for (size_t i = 0; i < countof(looks); i++) {
		ret[i] = (struct ctl_bounds_finding){};
		looks[i](conf, &ret[i]);
	}
}
