/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl doctor: is this host fit for the agent? Each check is a function of the table in
 * ctl_doctor(); it says what it has found (good, doubtful, bad) and, when that is no good, how
 * to mend it. It looks at the host itself rather than ask the agent, which may be down; the
 * agent's status is asked for once, and only some checks make use of it.
 *
 * Nothing is changed, nothing is stopped by a fault: all checks are made, and one that is bad
 * makes the exit code. What takes more than a look (packets through others' tables, bounds, the
 * pool) lies in files of its own: agent/ctl/ctl_tables.h, agent/ctl/ctl_bounds.h,
 * agent/ctl/ctl_pool.h. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "agent/common/ctbounds.h"
#include "agent/common/nodekey.h"
#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_bounds.h"
#include "agent/ctl/ctl_conf.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_pool.h"
#include "agent/ctl/ctl_route.h"
#include "agent/ctl/ctl_tables.h"
#include "agent/ctl/ctl_text.h"
#include "agent/ctl/ctl_trust.h"
#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/keyset.h"

#define FREE_PERCENT_MIN 10
#define STATE_FREE_MIN   (4 << 20) /* a transaction of the state file, and its journal */
#define STATE_FILES_MIN  8
#define KEY_DAYS_MIN     14
#define DAY_MS           86400000LL
#define FLOWS_SHARE_MIN  8 /* so many containers must not take all flows */

enum verdict { GOOD, DOUBTFUL, BAD };

struct doctor {
	const struct ctl *ctl;
	struct conf conf;
	json_t *findings;
	json_t *status; /* what the agent says; NULL: nothing */
	unsigned n[3];
};

static void say(struct doctor *d, enum verdict v, const char *check, const char *mend,
	const char *fmt, ...) _printf_(5, 6);
static void say(
	struct doctor *d, enum verdict v, const char *check, const char *mend, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warning", "fault" };
	char found[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	err_clean(found); /* names of others' tables and users */
	d->n[v]++;
	(void)json_array_append_new(
		d->findings, jsonx_pack("{s:s, s:s, s:s, s:s?}", "check", check, "verdict",
				     words[v], "found", found, "mend", v == GOOD ? NULL : mend));
}

/* --- the kernel --- */

static void kernel(struct doctor *d)
{
	struct utsname uts;
	unsigned major = 0, minor = 0;

	(void)uname(&uts);
	if (sscanf(uts.release, "%u.%u", &major, &minor) != 2)
		major = 0;
	if (major > 5 || (major == 5 && minor >= 15))
		say(d, GOOD, "kernel", NULL, "Linux %s", uts.release);
	else
		say(d, BAD, "kernel", "run Linux 5.15 or newer: containers' roots are id-mapped",
			"Linux %s", uts.release);
}

static bool has_line(const char *path, const char *word)
{
	char line[4096];
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, word);
	if (f)
		(void)fclose(f);
	return found;
}

static void calls(struct doctor *d)
{
	static const struct {
		const char *name;
		long number;
	} wanted[] = {
		{ "openat2", SYS_openat2 },
		{ "mount_setattr", SYS_mount_setattr },
		{ "pidfd_getfd", SYS_pidfd_getfd },
		{ "close_range", SYS_close_range },
	};

	for (size_t i = 0; i < countof(wanted); i++)
		if (syscall(wanted[i].number, -1, NULL, NULL, 0, 0) < 0 && errno == ENOSYS) {
			say(d, BAD, "system calls",
				"run a newer kernel, or lift the seccomp filter", "%s is missing",
				wanted[i].name);
			return;
		}
	if (has_line("/proc/sys/vm/memfd_noexec", "2"))
		say(d, DOUBTFUL, "system calls", "sysctl vm.memfd_noexec=1",
			"vm.memfd_noexec is 2: no program enters a container, so hoodyctl exec, "
			"console and cp don't work");
	else
		say(d, GOOD, "system calls", NULL, "all that are needed are there");
}

/* "cpu" is a word of "cpu io" and of "4:cpu,cpuacct:/", and none of "cpuset". */
static bool has_word(const char *path, const char *word)
{
	char line[4096];
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		for (char *rest = line, *w; !found && (w = strsep(&rest, " ,:\n"));)
			found = strcmp(w, word) == 0;
	if (f)
		(void)fclose(f);
	return found;
}

/* A controller is a cgroup2 one, or a hierarchy of its own. */
static void cgroups(struct doctor *d)
{
	static const char *const wanted[] = { "memory", "cpu", "pids" };
	char missing[64] = "";

	if (!has_line("/proc/self/mounts", " cgroup2 ")) {
		say(d, BAD, "cgroups", "mount cgroup2 (systemd does)",
			"no cgroup2 tree is mounted");
		return;
	}
	for (size_t i = 0; i < countof(wanted); i++)
		if (!has_word("/sys/fs/cgroup/cgroup.controllers", wanted[i]) &&
			!has_word("/proc/self/cgroup", wanted[i]))
			(void)snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				" %s", wanted[i]);
	if (*missing)
		say(d, DOUBTFUL, "cgroups",
			"boot with cgroup_enable=memory, or without cgroup_disable",
			"limits can't be enforced, controllers are missing:%s", missing);
	else
		say(d, GOOD, "cgroups", NULL, "cgroup2 is mounted; memory, cpu and pids are there");
}

static void bounds(struct doctor *d)
{
	struct ctl_bounds_finding found[CTL_BOUNDS_FINDINGS];

	ctl_bounds_look(&d->conf, found);
	for (size_t i = 0; i < countof(found); i++)
		say(d,
			found[i].fault   ? BAD
			: found[i].doubt ? DOUBTFUL
					 : GOOD,
			found[i].check, found[i].mend, "%s", found[i].found);
}

/* Debian's kernels have it. */
static void spaces(struct doctor *d)
{
	if (has_line("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		say(d, DOUBTFUL, "user namespaces",
			"sysctl kernel.unprivileged_userns_clone=1, or lower user.max_*_namespaces "
			"and user.max_inotify_*",
			"kernel.unprivileged_userns_clone is 0: Containers.NamespacesMax, "
			"NetNamespacesMax, InotifyMax and WatchesMax bound no container, only the "
			"host's user.max_*");
	else
		say(d, GOOD, "user namespaces", NULL, "containers' can lie below their bounds");
}

/* --- ids --- */

/* True: said that somebody else has ids that containers would run into. */
static bool is_taken(
	struct doctor *d, const char *where, const char *name, long long begin, long long count)
{
	if (begin + count <= d->conf.containers.id_base)
		return false;
	say(d, DOUBTFUL, "user ids",
		"move that range below Containers.IdBase, or IdBase above it: who has a "
		"container's id on the host may do with its processes and files what it may",
		"%s gives %s the ids %lld to %lld, which containers may get", where, name, begin,
		begin + count - 1);
	return true;
}

/* subuid(5) */
static bool is_range_taken(struct doctor *d, const char *path)
{
	FILE *f = fopen(path, "re");
	long long begin, count;
	char line[256], name[128];
	bool taken = false;

	while (f && !taken && fgets(line, sizeof(line), f))
		taken = sscanf(line, "%127[^:]:%lld:%lld", name, &begin, &count) == 3 &&
			strcmp(name, "root") != 0 && is_taken(d, path, name, begin, count);
	if (f)
		(void)fclose(f);
	return taken;
}

/* Of whatever the name service lists: a directory's users begin high (sssd-ldap(5)). */
static bool is_user_taken(struct doctor *d)
{
	const struct passwd *p;
	bool taken = false;

	setpwent();
	while (!taken && (p = getpwent()))
		taken = is_taken(d, "passwd", p->pw_name, p->pw_uid, 1);
	endpwent();
	return taken;
}

static bool is_group_taken(struct doctor *d)
{
	const struct group *g;
	bool taken = false;

	setgrent();
	while (!taken && (g = getgrent()))
		taken = is_taken(d, "group", g->gr_name, g->gr_gid, 1);
	endgrent();
	return taken;
}

static void ids(struct doctor *d)
{
	if (!is_range_taken(d, "/etc/subuid") && !is_range_taken(d, "/etc/subgid") &&
		!is_user_taken(d) && !is_group_taken(d))
		say(d, GOOD, "user ids", NULL, "from %lld on nobody else has any",
			(long long)d->conf.containers.id_base);
}

/* --- disks --- */

/* Less than a share is left: of what can be written there, or of files (btrfs counts none). */
static bool is_short(fsfilcnt_t left, fsfilcnt_t all)
{
	return all > 0 && left * 100 / all < FREE_PERCENT_MIN;
}

/* What root may write of it, too: the agent ends where it can't write its state. */
static void state(struct doctor *d)
{
	const char *path = d->conf.node.state_directory;
	char free_text[CTL_TEXT_MAX];
	struct statvfs fs;
	int64_t left;

	if (statvfs(path, &fs) < 0) {
		say(d, DOUBTFUL, "state",
			"make the directory, or set Node.StateDirectory; the agent makes it at its "
			"start",
			"%s: %s", path, strerror(errno));
		return;
	}
	left = (int64_t)(fs.f_bfree * fs.f_frsize);
	(void)ctl_text_size(left, free_text);
	if (fs.f_flag & ST_RDONLY)
		say(d, BAD, "state", "look in the kernel's log for why, and repair or remount it",
			"%s can't be written: its file system is read-only", path);
	else if (left < STATE_FREE_MIN)
		say(d, BAD, "state", "make room there: the agent goes on by itself",
			"%s has %s free: the agent ends when it can't write its state", path,
			free_text);
	else if (fs.f_files > 0 && fs.f_ffree < STATE_FILES_MIN)
		say(d, BAD, "state", "delete files there: the agent goes on by itself",
			"%s has no more inodes: the agent ends when it can't write its state",
			path);
	else
		say(d, GOOD, "state", NULL, "%s has %s free", path, free_text);
}

/* Said where it can't be what it is for; else true. */
static bool pool_can(struct doctor *d, const char *path)
{
	int r = geteuid() == 0 ? ctl_pool_try_ids(path, d->conf.containers.id_base) : 0;

	if (r < 0)
		say(d, BAD, "pool",
			"put Storage.Pool on ext4, xfs or btrfs: not on overlay, NFS or FUSE",
			"%s can't be mounted with a container's ids (%s)", path, strerror(-r));
	else if (ctl_pool_try_exec(path) == -EACCES)
		say(d, BAD, "pool", "mount its file system without noexec",
			"%s lets no program be executed, and no container's init either", path);
	else
		return true;
	return false;
}

static void pool(struct doctor *d)
{
	const char *path = d->conf.storage.pool;
	char free_text[CTL_TEXT_MAX];
	struct statvfs fs;

	if (statvfs(path, &fs) < 0) {
		say(d, errno == ENOENT ? DOUBTFUL : BAD, "pool",
			"make the directory, or set Storage.Pool; the agent makes it at its start",
			"%s: %s", path, strerror(errno));
		return;
	}
	if (fs.f_flag & ST_RDONLY) {
		say(d, BAD, "pool", "look in the kernel's log for why, and repair or remount it",
			"%s can't be written: its file system is read-only", path);
		return;
	}
	if (!pool_can(d, path))
		return;
	(void)ctl_text_size((int64_t)(fs.f_bavail * fs.f_frsize), free_text);
	if (is_short(fs.f_bavail, fs.f_blocks))
		say(d, DOUBTFUL, "pool", "delete containers, snapshots or images, or enlarge it",
			"%s has %s free, less than %d %%", path, free_text, FREE_PERCENT_MIN);
	else if (is_short(fs.f_favail, fs.f_files))
		say(d, DOUBTFUL, "pool",
			"delete containers, snapshots or images, or make its file system with more "
			"inodes (mke2fs -i)",
			"%s has %s free, but room for %llu more files, less than %d %%", path,
			free_text, (unsigned long long)fs.f_favail, FREE_PERCENT_MIN);
	else if (fs.f_flag & ST_NOSUID)
		say(d, DOUBTFUL, "pool", "mount its file system without nosuid",
			"%s gives no program another user: sudo(8), su(1) and the like don't work "
			"in containers",
			path);
	else
		say(d, GOOD, "pool", NULL, "%s has %s free", path, free_text);
}

/* --- time and keys --- */

static void clock_is_right(struct doctor *d)
{
	const json_t *control = json_object_get(d->status, "control");
	const char *code = ctl_text_of(control, "last_error_code");
	struct timex t = {};

	if (code && strcmp(code, "clock_skew") == 0)
		say(d, BAD, "clock",
			"set this node's clock, or the API's: timedatectl; chronyc makestep", "%s",
			ctl_text_of(control, "last_error"));
	else if (adjtimex(&t) < 0 || (t.status & STA_UNSYNC))
		say(d, DOUBTFUL, "clock", "run chrony or systemd-timesyncd",
			"the clock is not synchronised: orders more than 300 s off are refused");
	else
		say(d, GOOD, "clock", NULL, "synchronised");
}

static void node_key(struct doctor *d)
{
	_cleanup_(freep) char *path = xasprintf("%s/node.key", d->conf.node.state_directory);
	char age[CTL_TEXT_MAX];
	struct stat st;

	if (stat(path, &st) < 0)
		say(d, DOUBTFUL, "node key", "start the agent, or run hoodyctl keygen", "%s: %s",
			path, strerror(errno));
	else if ((st.st_mode & 077) != 0)
		say(d, BAD, "node key", "chmod 0600 it, and have the node enrolled anew",
			"others may read %s", path);
	else
		say(d, GOOD, "node key", NULL, "%s, for its owner alone, %s old", path,
			ctl_text_age(
				clock_ms(CLOCK_REALTIME) - (int64_t)st.st_mtim.tv_sec * 1000, age));
}

static void trusted_keys(struct doctor *d)
{
	struct keyset keys;
	struct err err = {};
	int64_t end_ms = INT64_MAX;
	char age[CTL_TEXT_MAX];

	if (!d->conf.control.api_url[0]) {
		say(d, GOOD, "trusted keys", NULL, "standalone: none are needed");
		return;
	}
	if (ctl_trust_read(&d->conf, d->status, &keys, &err) < 0) {
		say(d, BAD, "trusted keys", "enroll the node, or copy the keyset there", "%s",
			err.message);
		return;
	}
	for (size_t i = 0; i < keys.n_keys; i++)
		end_ms = MIN_OF(end_ms, keys.keys[i].not_after_ms);
	if (end_ms <= clock_ms(CLOCK_REALTIME) + KEY_DAYS_MIN * DAY_MS)
		say(d, end_ms <= clock_ms(CLOCK_REALTIME) ? BAD : DOUBTFUL, "trusted keys",
			"have the control API rotate its keys", "version %lld: a key %s",
			(long long)keys.version,
			end_ms <= clock_ms(CLOCK_REALTIME) ? "has expired"
							   : "expires within 14 days");
	else if (end_ms == INT64_MAX)
		say(d, GOOD, "trusted keys", NULL, "version %lld, %zu key%s without an end",
			(long long)keys.version, keys.n_keys, ctl_text_s((int64_t)keys.n_keys));
	else
		say(d, GOOD, "trusted keys", NULL, "version %lld, %zu key%s, good for %s",
			(long long)keys.version, keys.n_keys, ctl_text_s((int64_t)keys.n_keys),
			ctl_text_age(end_ms - clock_ms(CLOCK_REALTIME), age));
}

/* --- the agent --- */

/* Whoever answers is reached: what is wrong then is what it was told, or who it is. */
static void control(struct doctor *d)
{
	const json_t *c = json_object_get(d->status, "control");
	const char *state = ctl_text_of(c, "state"), *error = ctl_text_of(c, "last_error");
	const char *code = ctl_text_of(c, "last_error_code"), *mend;
	json_int_t http = json_integer_value(json_object_get(c, "last_http_status"));

	if (!state)
		return;
	if (strcmp(state, "backing-off") != 0) {
		say(d, GOOD, "control API", NULL, "%s", state);
		return;
	}
	if (!error) { /* a start's, or a new courier's */
		say(d, DOUBTFUL, "control API", "ask again in a moment; journalctl -u hoody-agent",
			"%s has not answered yet", d->conf.control.api_url);
		return;
	}
	if (http == 0) {
		mend = code && strcmp(code, "courier") == 0
			       ? "put right what it names: it is tried again by itself"
			       : "look at network, DNS, proxy and certificates";
		say(d, BAD, "control API", mend, "%s is not reached: %s", d->conf.control.api_url,
			error);
		return;
	}
	mend = http == 401 || http == 403
		       ? "it doesn't know this node by the token of Control.TokenFile: put the "
			 "right one there, or hoodyctl enroll --force; then restart the agent"
		       : "look at the API, and at what stands between it and this node";
	say(d, BAD, "control API", mend, "it answers with HTTP %" JSON_INTEGER_FORMAT ": %s", http,
		ctl_text_or_dash(error));
}

static void agent(struct doctor *d)
{
	const char *version = ctl_text_of(d->status, "version");

	if (!d->status) {
		say(d, BAD, "agent", "systemctl start hoody-agent; journalctl -u hoody-agent",
			"it does not answer");
		return;
	}
	if (version && strcmp(version, PACKAGE_VERSION) != 0)
		say(d, DOUBTFUL, "agent", "restart it: containers go on",
			"version %s runs, %s is "
			"installed",
			version, PACKAGE_VERSION);
	else
		say(d, GOOD, "agent", NULL, "version %s runs", version ? version : "?");
	control(d);
}

/* --- the firewall --- */

static bool forwards(const char *interface)
{
	_cleanup_(freep) char *path = xasprintf("/proc/sys/net/ipv4/conf/%s/forwarding", interface);

	return has_line(path, "1");
}

static void forwarding_of(struct doctor *d, const char *name)
{
	if (forwards(name))
		say(d, GOOD, "forwarding", NULL, "what comes in by %s is forwarded", name);
	else
		say(d, d->status ? BAD : DOUBTFUL, "forwarding",
			d->status ? "something turns it off again and again"
				  : "the agent turns it on while it runs",
			"what comes in by %s is not forwarded", name);
}

/* By interface, since the agent turns it on there alone. */
static void forwarding(struct doctor *d)
{
	FILE *f = fopen(CTL_ROUTE_FILE, "re");
	char name[IF_NAMESIZE];
	bool any = false;

	while (f && ctl_route_next(f, name)) {
		any = true;
		forwarding_of(d, name);
	}
	if (!any && ctl_route_way(name)) {
		any = true;
		forwarding_of(d, name);
	}
	if (!any)
		say(d, DOUBTFUL, "forwarding", "the agent follows the routes when there is one",
			"no route leads to the world: containers don't reach it");
	if (f)
		(void)fclose(f);
}

/* What is forwarded to a gateway there is answered "host unreachable" (netfilter/fwstray). */
static void route_into(struct doctor *d, uint32_t network, uint32_t mask)
{
	const char *subnet = d->conf.network.subnet4;
	char text[INET_ADDRSTRLEN];
	struct ctl_route r;

	if (ctl_route_into(network, mask, d->conf.network.interface_prefix, &r))
		say(d, DOUBTFUL, "addresses",
			"set Network.Subnet4 to a network that no route leads into: no container "
			"reaches who is behind a gateway there, nor does this host who has what a "
			"container gets",
			"a route leads to %s/%u by %s, which has addresses of Network.Subnet4, %s",
			inet_ntop(AF_INET, &r.network, text, sizeof(text)), r.prefix, r.link,
			subnet);
	else
		say(d, GOOD, "addresses", NULL,
			"%s is in no network of the host's, and no route leads into it", subnet);
}

/* A link of ours has the gateway's address, which no network of the host's may be. */
static void addresses(struct doctor *d)
{
	const char *subnet = d->conf.network.subnet4;
	struct ifaddrs *all = NULL;
	unsigned prefix = 0;
	uint32_t ours = 0;

	if (ident_cidr4_parse(subnet, strlen(subnet), &ours, &prefix) < 0 || prefix == 0 ||
		getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in *a = (const void *)i->ifa_addr,
					 *m = (const void *)i->ifa_netmask;
		char text[INET_ADDRSTRLEN];

		if (!a || !m || a->sin_family != AF_INET ||
			((ntohl(a->sin_addr.s_addr) ^ ours) & ntohl(m->sin_addr.s_addr) &
				~0u << (32 - prefix)) != 0)
			continue;
		say(d, DOUBTFUL, "addresses",
			"set Network.Subnet4 to a network that nobody on this host has: who has "
			"what a container gets is cut off",
			"%s has %s, and its network has addresses of Network.Subnet4, %s",
			i->ifa_name, inet_ntop(AF_INET, &a->sin_addr, text, sizeof(text)), subnet);
		freeifaddrs(all);
		return;
	}
	freeifaddrs(all);
	route_into(d, ours, ~0u << (32 - prefix));
}

#define TRACKING "/proc/sys/net/netfilter/nf_conntrack_"

/* When the kernel can track no more flows, the whole node is offline. */
static void tracking(struct doctor *d)
{
	int64_t max = ctbounds_number(TRACKING "max"), n = ctbounds_number(TRACKING "count"),
		end_s = ctbounds_number(TRACKING "tcp_timeout_established");

	if (max == 0)
		say(d, GOOD, "flows", NULL, "none are tracked yet");
	else if (n > max / 2)
		say(d, n > max / 10 * 9 ? BAD : DOUBTFUL, "flows",
			"raise net.netfilter.nf_conntrack_max, shorten "
			"nf_conntrack_tcp_timeout_established, or lower Network.MaxFlows; "
			"conntrack -L shows whose they are",
			"%lld of %lld that the kernel tracks at most are taken, and silent "
			"connections are "
			"kept for %lld s",
			(long long)n, (long long)max, (long long)end_s);
	else if (d->conf.network.flows_max > max / FLOWS_SHARE_MIN)
		say(d, DOUBTFUL, "flows",
			"lower Network.MaxFlows, or raise net.netfilter.nf_conntrack_max",
			"%d containers can take all %lld that the kernel tracks", FLOWS_SHARE_MIN,
			(long long)max);
	else
		say(d, GOOD, "flows", NULL, "%lld of %lld that the kernel tracks are taken",
			(long long)n, (long long)max);
}

/* What empties the whole ruleset, other programs' tables too, when it is started, reloaded or
 * stopped. */
static void flushers(struct doctor *d)
{
	static const char *const files[] = {
		"/etc/systemd/system/sysinit.target.wants/nftables.service",
		"/etc/systemd/system/multi-user.target.wants/nftables.service",
		"/etc/runlevels/default/nftables"
	};

	for (size_t i = 0; i < countof(files); i++)
		if (faccessat(AT_FDCWD, files[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			say(d, DOUBTFUL, "flush",
				"systemctl disable nftables, or have its configuration and "
				"ExecStop "
				"delete its own tables instead of \"flush ruleset\"",
				"%s is enabled: it deletes the containers' firewall too, and while "
				"the "
				"agent is away they are cut off until it is back",
				files[i]);
			return;
		}
	say(d, GOOD, "flush", NULL, "no service is enabled that flushes the ruleset");
}

static void foreign_tables(struct doctor *d)
{
	_cleanup_tables_ struct ctl_tables_finding found;

	ctl_tables_look(&d->conf, &found);
	say(d,
		found.fault   ? BAD
		: found.doubt ? DOUBTFUL
			      : GOOD,
		"nftables", found.mend, "%s", found.found);
}

/* --- */

static void print(const struct doctor *d)
{
	static const enum ctl_colour colours[] = { CTL_GREEN, CTL_YELLOW, CTL_RED };
	static const char *const heads[] = { "CHECK", "VERDICT", "FOUND" };
	struct ctl_text *t = ctl_text_new(heads, countof(heads));
	json_t *f;
	size_t i;

	json_array_foreach(d->findings, i, f) {
		const char *v = ctl_text_of(f, "verdict");

		ctl_text_cell(t, ctl_text_of(f, "check"), CTL_PLAIN);
		ctl_text_cell(t, v, colours[*v == 'o' ? GOOD : *v == 'w' ? DOUBTFUL : BAD]);
		ctl_text_cell(t, ctl_text_of(f, "found"), CTL_PLAIN);
	}
	ctl_text_fit(t, countof(heads) - 1, CTL_FIT_WRAP);
	ctl_text_print(t, stdout, d->ctl->colour);
	ctl_text_free(t);
	json_array_foreach(d->findings, i, f) {
		const char *mend = ctl_text_of(f, "mend");
		_cleanup_(freep) char *text =
			xasprintf("%s: %s.", ctl_text_of(f, "check"), mend ? mend : "");

		if (!mend)
			continue;
		putchar('\n');
		ctl_text_wrap(stdout, text, 0, ctl_text_room(STDOUT_FILENO));
	}
	if (d->n[BAD] == 0)
		printf("\nThis host is fit; %u warning%s.\n", d->n[DOUBTFUL],
			ctl_text_s(d->n[DOUBTFUL]));
}

enum ctl_exit ctl_doctor(const struct ctl *ctl, struct err *err)
{
	void (*const checks[])(struct doctor * d) = { kernel, calls, cgroups, bounds, spaces, ids,
		state, pool, clock_is_right, node_key, trusted_keys, agent, forwarding, addresses,
		tracking, flushers, foreign_tables };
	struct doctor d = { .ctl = ctl };
	struct err ignored = {};
	enum ctl_exit e = ctl_conf_read(ctl, &d.conf, err);

	if (e != CTL_OK)
		return e;
	d.findings = json_array();
	if (ctl_ask(ctl, FRAME_CTL_STATUS, 0, &d.status, &ignored) != CTL_OK)
		d.status = NULL;
	for (size_t i = 0; i < countof(checks); i++)
		checks[i](&d);
	if (ctl->json)
		ctl_out_json(d.findings);
	else
		print(&d);
	if (d.n[BAD] > 0) {
		(void)err_set(err, -EINVAL, ERR_CONFIG, NULL, "%u fault%s found", d.n[BAD],
			ctl_text_s(d.n[BAD]));
		e = CTL_FAILED;
	}
	json_decref(d.findings);
	json_decref(d.status);
	conf_done(&d.conf);
	return e;
}
