/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_bounds.h"

#include <inttypes.h>

#include "agent/common/ctbounds.h"

#define SHARE_MIN   8   /* so many containers must not take all there is */
#define USERNS_MIN  256 /* of one user: hosts have thousands */
#define INOTIFY_MIN 64
#define MIB         (1 << 20)

struct look {
	const char *check, *mend;
	const char *who, *has, *beside; /* "<who> <bound><has>, <beside> <host>" */
	int64_t bound, host;
	bool fault, doubt;
};

void ctl_bounds_look(
	const struct conf *conf, struct ctl_bounds_finding ret[static CTL_BOUNDS_FINDINGS])
{
	int64_t spaces = ctbounds_number("/proc/sys/user/max_user_namespaces"),
		instances = ctbounds_number("/proc/sys/user/max_inotify_instances"),
		host_tasks = ctbounds_host_tasks(), host_memory = ctbounds_host_memory(),
		tasks = ctbounds_tasks(conf->containers.tasks_max),
		memory = ctbounds_memory(conf->containers.memory_max);
	const struct look looks[] = {
		{
			.check = "namespaces",
			.mend = "raise user.max_user_namespaces: containers are made of them",
			.who = "the agent lets a container have",
			.has = " user namespaces",
			.beside = "the kernel a user",
			.bound = conf->containers.namespaces_max,
			.host = spaces,
			.fault = spaces < USERNS_MIN,
		},
		{
			.check = "inotify",
			.mend = "raise fs.inotify.max_user_instances: services in containers need "
				"some",
			.who = "the agent lets a container have",
			.has = " instances",
			.beside = "the kernel a user",
			.bound = conf->containers.inotify_max,
			.host = instances,
			.doubt = instances < INOTIFY_MIN,
		},
		{
			.check = "tasks",
			.mend = "lower Containers.TasksMax, or raise kernel.threads-max and "
				"kernel.pid_max",
			.who = "a container has",
			.has = " at most unless it has a limit",
			.beside = "the kernel",
			.bound = tasks,
			.host = host_tasks,
			.doubt = tasks > host_tasks / SHARE_MIN,
		},
		{
			.check = "memory",
			.mend = "lower Containers.MemoryMax, or leave it at 0",
			.who = "a container has",
			.has = " MiB at most unless it has a limit",
			.beside = "the host",
			.bound = memory / MIB,
			.host = host_memory / MIB,
			.doubt = memory >= host_memory,
		},
	};

	static_assert(countof(looks) == CTL_BOUNDS_FINDINGS, "a finding each");
	for (size_t i = 0; i < countof(looks); i++) {
		const struct look *l = &looks[i];

		ret[i] = (struct ctl_bounds_finding){
			.check = l->check, .mend = l->mend, .fault = l->fault, .doubt = l->doubt
		};
		(void)snprintf(ret[i].found, sizeof(ret[i].found), "%s %" PRId64 "%s, %s %" PRId64,
			l->who, l->bound, l->has, l->beside, l->host);
	}
}
