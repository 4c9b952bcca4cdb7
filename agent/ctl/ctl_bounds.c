/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_bounds.h"

#include <dirent.h>
#include <inttypes.h>

#include "agent/common/ctbounds.h"

#define SHARE_MIN     8   /* so many containers must not take all there is */
#define SPACES_MIN    256 /* of one user: hosts have thousands */
#define INOTIFY_MIN   64
#define USED_UP       4   /* all but one part in so many */
#define KEYS_SHARE    2   /* of the host's memory, for one container's keys */
#define KEY_BYTES     256 /* of the kernel's own for each (key_jar in slabinfo(5)) */
#define CONTAINER_IDS 65536
#define MIB           (1 << 20)

/* What the kernel counts for all containers and the host together, with nothing between that could
 * bound one of them (packaging/SECURITY.md, Known limits). So it is held against what the
 * containers in the pool have when they do nothing unusual, and against what is in use. */
static const struct count {
	const char *check, *what, *most, *kept, *used, *mend;
	int64_t each, host; /* so many for each container, and for the host itself */
} counts[] = {
	{ "neighbours", "neighbours of IPv4", "/proc/sys/net/ipv4/neigh/default/gc_thresh3", NULL,
		"/proc/net/stat/arp_cache",
		"raise net.ipv4.neigh.default.gc_thresh3, and gc_thresh1 and 2 with it", 4, 128 },
	{ "neighbours of IPv6", "neighbours of IPv6", "/proc/sys/net/ipv6/neigh/default/gc_thresh3",
		NULL, "/proc/net/stat/ndisc_cache",
		"raise net.ipv6.neigh.default.gc_thresh3, and gc_thresh1 and 2 with it", 4, 128 },
	{ "terminals", "pseudo-terminals", "/proc/sys/kernel/pty/max",
		"/proc/sys/kernel/pty/reserve", "/proc/sys/kernel/pty/nr", "raise kernel.pty.max",
		16, 0 },
	{ "asynchronous I/O", "requests of io_setup(2)", "/proc/sys/fs/aio-max-nr", NULL,
		"/proc/sys/fs/aio-nr", "raise fs.aio-max-nr: databases need some thousands each",
		1024, 0 },
	{ "open files", "open files", "/proc/sys/fs/file-max", NULL, "/proc/sys/fs/file-nr",
		"raise fs.file-max, as systemd does", 8192, 8192 },
};

struct look {
	const char *check, *mend;
	const char *who, *has, *beside; /* "<who> <bound><has>, <beside> <host>" */
	int64_t bound, host;
	bool fault, doubt;
};

/* How many containers the pool has, as far as the caller may see it. */
static int64_t count_containers(const struct conf *conf)
{
	_cleanup_(freep) char *path = xasprintf("%s/containers", conf->storage.pool);
	DIR *d = opendir(path);
	const struct dirent *e;
	int64_t n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	return n;
}

/* /proc/net/stat has a line of names, then hexadecimal numbers; the others begin with theirs. */
static int64_t in_use(const char *path)
{
	FILE *f = strstr(path, "/stat/") ? fopen(path, "re") : NULL;
	unsigned long long n = 0;

	if (!f)
		return ctbounds_number(path);
	if (fscanf(f, "%*[^\n]%llx", &n) != 1)
		n = 0;
	(void)fclose(f);
	return (int64_t)n;
}

/* Whoever sees no such file is in a network namespace that isn't the host's. */
static void judge(const struct count *c, int64_t containers, struct ctl_bounds_finding *ret)
{
	int64_t most = ctbounds_number(c->most) - (c->kept ? ctbounds_number(c->kept) : 0),
		used = in_use(c->used);
	bool shown = access(c->most, F_OK) == 0;

	*ret = (struct ctl_bounds_finding){
		.check = c->check,
		.mend = c->mend,
		.doubt = shown &&
			 (most < c->each * containers + c->host || used > most - most / USED_UP),
	};
	if (shown)
		(void)snprintf(ret->found, sizeof(ret->found),
			"the kernel has %" PRId64 " %s for all, of which %" PRId64
			" are in use; nothing bounds one container",
			most, c->what, used);
	else
		(void)snprintf(ret->found, sizeof(ret->found),
			"how many %s the kernel has is not shown here", c->what);
}

/* Of the kinds of namespaces that a container consists of: the host's bound is of each user, and
 * each container's root is one. */
static int64_t fewest_namespaces(void)
{
	static const char *const kinds[] = { "user", "pid", "net", "mnt", "uts", "ipc", "cgroup" };
	int64_t fewest = INT64_MAX;

	for (size_t i = 0; i < countof(kinds); i++) {
		_cleanup_(freep) char *path =
			xasprintf("/proc/sys/user/max_%s_namespaces", kinds[i]);

		fewest = MIN_OF(fewest, ctbounds_number(path));
	}
	return fewest;
}

/* Of all ids of one container: each has a quota of its own, and none counts for the container's
 * memory. */
static int64_t keys_bytes(void)
{
	return CONTAINER_IDS *
	       (ctbounds_number("/proc/sys/kernel/keys/maxbytes") +
		       ctbounds_number("/proc/sys/kernel/keys/maxkeys") * KEY_BYTES);
}

static void tell(const struct look *l, struct ctl_bounds_finding *ret)
{
	*ret = (struct ctl_bounds_finding){
		.check = l->check, .mend = l->mend, .fault = l->fault, .doubt = l->doubt
	};
	(void)snprintf(ret->found, sizeof(ret->found), "%s %" PRId64 "%s, %s %" PRId64, l->who,
		l->bound, l->has, l->beside, l->host);
}

void ctl_bounds_look(
	const struct conf *conf, struct ctl_bounds_finding ret[static CTL_BOUNDS_FINDINGS])
{
	int64_t spaces = fewest_namespaces(), containers = count_containers(conf),
		instances = ctbounds_number("/proc/sys/user/max_inotify_instances"),
		host_tasks = ctbounds_host_tasks(), host_memory = ctbounds_host_memory(),
		tasks = ctbounds_tasks(conf->containers.tasks_max),
		memory = ctbounds_memory(conf->containers.memory_max);
	const struct look looks[] = {
		{
			.check = "namespaces",
			.mend = "raise user.max_user_namespaces, and those of the other kinds: "
				"containers are made of them",
			.who = "the agent lets a container have",
			.has = " namespaces of each kind",
			.beside = "the kernel lets a user have",
			.bound = conf->containers.namespaces_max,
			.host = spaces,
			.fault = spaces < SPACES_MIN,
		},
		{
			.check = "inotify",
			.mend = "raise fs.inotify.max_user_instances: services in containers need "
				"some",
			.who = "the agent lets a container have",
			.has = " instances of it",
			.beside = "the kernel lets a user have",
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
			.beside = "the kernel has room for",
			.bound = tasks,
			.host = host_tasks,
			.doubt = tasks > host_tasks / SHARE_MIN,
		},
		{
			.check = "memory",
			.mend = "lower Containers.MemoryMax, or leave it at 0",
			.who = "a container has",
			.has = " MiB at most unless it has a limit",
			.beside = "the host has",
			.bound = memory / MIB,
			.host = host_memory / MIB,
			.doubt = memory >= host_memory,
		},
		{
			.check = "keys",
			.mend = "lower kernel.keys.maxkeys and kernel.keys.maxbytes",
			.who = "all ids of a container together may have",
			.has = " MiB of keys that its memory doesn't count",
			.beside = "the host",
			.bound = keys_bytes() / MIB,
			.host = host_memory / MIB,
			.doubt = keys_bytes() > host_memory / KEYS_SHARE,
		},
	};

	static_assert(countof(looks) + countof(counts) == CTL_BOUNDS_FINDINGS, "a finding each");
	for (size_t i = 0; i < countof(looks); i++)
		tell(&looks[i], &ret[i]);
	for (size_t i = 0; i < countof(counts); i++)
		judge(&counts[i], containers, &ret[countof(looks) + i]);
}
