/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's configuration in liblxc's words (lxc.container.conf(5)), item by item: what all
 * have, from tables; what follows from this one's limits, mounts and environment; and the hooks, by
 * which programs of ours come in at moments of its life. */
#include "lxc/ctconf.h"

#include <stdarg.h>

#define CFS_PERIOD_US 100000
#define CONSOLE_SIZE  65536 /* of what is kept: liblxc begins a new file then */
#define HOOK          "lxc.hook.start-host"

/* The denylist that LXC's own distribution policy has (config/templates/common.seccomp), with the
 * newer mount-by-descriptor calls left in but for one: unprivileged containers need them and can do
 * nothing with them that user namespaces don't allow. */
const char ctconf_seccomp_policy[] =
	"2\n"
	"denylist\n"
	"[all]\n"
	"kexec_load errno 1\n"
	"kexec_file_load errno 1\n"
	"open_by_handle_at errno 1\n"
	"init_module errno 1\n"
	"finit_module errno 1\n"
	"delete_module errno 1\n"
	"reject_force_umount\n"
	/* The kernel's log is the host's and tells of everybody; by kernel.dmesg_restrict alone it
	 * would be closed, which some distributions don't set. */
	"syslog errno 1\n"
	/* A copy of a mount that is in no namespace: nobody could take it away with what is no
	 * longer shared. ENOSYS has mount(8) do without. Only libseccomp 2.6 knows the second,
	 * since Linux 6.15. */
	"open_tree errno 38 [2,1,SCMP_CMP_MASKED_EQ,1]\n"
	"open_tree_attr errno 38 [2,1,SCMP_CMP_MASKED_EQ,1]\n"
	/* Its rings do what no filter of system calls sees; ENOSYS has programs do without. */
	"io_uring_setup errno 38\n"
	"io_uring_enter errno 38\n"
	"io_uring_register errno 38\n"
	/* Sockets that no network namespace holds: RDS, IB, NFC, VSOCK, QIPCRTR. The kernel looks
	 * at 32 bits of a family. i386's calls are not filtered: liblxc has no name for them. */
	"socket errno 97 [0,21,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"socket errno 97 [0,27,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"socket errno 97 [0,39,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"socket errno 97 [0,40,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"socket errno 97 [0,42,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"socketpair errno 97 [0,40,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	/* BTRFS_IOC_{SNAP,SUBVOL}_CREATE{,_V2}: a subvolume in a root would be missing in its
	 * snapshots and copies, and under no limit. The kernel takes 32 bits of the command. */
	"ioctl errno 1 [1,0x50009401,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"ioctl errno 1 [1,0x5000940e,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"ioctl errno 1 [1,0x50009417,SCMP_CMP_MASKED_EQ,0xffffffff]\n"
	"ioctl errno 1 [1,0x50009418,SCMP_CMP_MASKED_EQ,0xffffffff]\n";

/* The same for every container. */
static const struct {
	const char *key, *value;
} fixed[] = {
	{ "lxc.arch", "linux64" },
	{ "lxc.rootfs.options", "idmap=container" },
	{ "lxc.mount.auto", "proc:mixed sys:mixed" },
	{ "lxc.autodev", "1" },
	{ "lxc.pty.max", "1024" },
	{ "lxc.tty.max", "0" },
	{ "lxc.cap.drop", "mac_admin mac_override sys_time sys_module sys_rawio" },
	{ "lxc.cgroup.relative", "0" },
	{ "lxc.log.level", "WARN" },
	{ "lxc.console.rotate", "1" },
	{ "lxc.monitor.unshare", "0" },
	{ "lxc.start.auto", "0" },
	/* Who may ping without a capability, as distributions give it to all: the kernel takes no
	 * range of groups that the container hasn't. */
	{ "lxc.sysctl.net.ipv4.ping_group_range", "0 65535" },
};

/* Character devices that every container may use; mknod is the kernel's to refuse in a user
 * namespace. */
static const char *const devices[] = {
	"c 1:3 rwm",    /* null */
	"c 1:5 rwm",    /* zero */
	"c 1:7 rwm",    /* full */
	"c 1:8 rwm",    /* random */
	"c 1:9 rwm",    /* urandom */
	"c 5:0 rwm",    /* tty */
	"c 5:1 rwm",    /* console */
	"c 5:2 rwm",    /* ptmx */
	"c 136:* rwm",  /* pts */
	"c 10:229 rwm", /* fuse */
};

struct walk {
	int (*set)(const char *key, const char *value, void *userdata);
	void *userdata;
	int r;
};

static void item(struct walk *w, const char *key, const char *fmt, ...) _printf_(3, 4);
static void item(struct walk *w, const char *key, const char *fmt, ...)
{
	_cleanup_(freep) char *value = NULL;
	va_list ap;
	int n;

	if (w->r < 0)
		return;
	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	for (int i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) {
			w->r = -EINVAL;
			return;
		}
	w->r = w->set(key, value, w->userdata);
}

bool ctconf_has_room(size_t *room, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2; /* "=" and the NUL */

	if (size > *room)
		return false;
	*room -= size;
	return true;
}

static bool is_clean(const char *value)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return true;
}

/* A value with a newline is for sessions alone: of liblxc's configuration it would make a line. So
 * is what execve(2) could not hand over: an init that can't be started has none of it. */
static void environment(struct walk *w, const json_t *vars)
{
	size_t room = CTCONF_ENVIRONMENT_MAX;
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)vars, name, v) {
		const char *value = json_string_value(v);

		if (is_clean(value) && ctconf_has_room(&room, name, value))
			item(w, "lxc.environment", "%s=%s", name, value);
	}
}

static void limits(struct walk *w, const struct ctspec *s, const struct ctconf_host *h)
{
	const struct ctspec_limits *l = &s->limits;

	if (l->memory_bytes > 0)
		item(w,
			h->v1_memory ? "lxc.cgroup.memory.limit_in_bytes"
				     : "lxc.cgroup2.memory.max",
			"%lld", (long long)l->memory_bytes);
	if (l->pids > 0)
		item(w, h->v1_pids ? "lxc.cgroup.pids.max" : "lxc.cgroup2.pids.max", "%lld",
			(long long)l->pids);
	if (l->cpu_cores > 0) {
		long long quota_us = (long long)(l->cpu_cores * CFS_PERIOD_US + 0.5);

		if (h->v1_cpu) {
			item(w, "lxc.cgroup.cpu.cfs_period_us", "%d", CFS_PERIOD_US);
			item(w, "lxc.cgroup.cpu.cfs_quota_us", "%lld", quota_us);
		} else {
			item(w, "lxc.cgroup2.cpu.max", "%lld %d", quota_us, CFS_PERIOD_US);
		}
	}
}

/* The kit's programs have their sockets there. */
static void kit_mounts(struct walk *w, const struct ctspec *s)
{
	if (s->hoody_kit)
		item(w, "lxc.mount.entry",
			"none dev/hoody tmpfs nosuid,nodev,size=1m,mode=0755,create=dir,optional 0 "
			"0");
}

/* As a word of fstab(5). */
static char *mount_word(const char *path)
{
	char *word = xcalloc(4 * strlen(path) + 1, 1), *end = word;

	for (; *path; path++)
		if (strchr(" \\", *path))
			end += sprintf(end, "\\%03o", (unsigned)*path);
		else
			*end++ = *path;
	return word;
}

/* storage/ramdisk.h. What stands in the way of a mount (a link) must not keep it from starting. */
static void memory_mounts(struct walk *w, const struct ctspec *s, const struct ctconf_paths *p,
	const struct ctconf_host *h)
{
	_cleanup_(freep) char *run = mount_word(p->run);

	if (s->ramdisk)
		item(w, "lxc.mount.entry",
			"%s/ramdisk/c/%s ramdisk none bind,nosuid,nodev,create=dir,optional 0 0",
			run, s->id);
	if (!s->kvm)
		return;
	item(w, "lxc.mount.entry",
		"%s/devices/%s dev/kvm none bind,nosuid,create=file,optional 0 0", run, s->id);
	item(w, h->v1_devices ? "lxc.cgroup.devices.allow" : "lxc.cgroup2.devices.allow",
		"c 10:232 rwm");
}

/* Each takes liblxc a shell: so one becomes the other (lxc/groups_main.c).
 *
 * A container that restarts itself (reboot(2)) is not started again by liblxc, which has forgotten
 * by then how to map its root's ids (put_lxc_mount_options in liblxc's conf.h, called by lxc_end),
 * and would start it as it was launched, whatever has changed since. A hook that fails behind the
 * end keeps liblxc from it (lxc_end, start.c); the agent launches it (agent/host/ctwatch.h). */
static void hooks(struct walk *w, const struct ctconf_paths *p, const struct ctconf_host *h)
{
	bool v1 = p->groups && h->hybrid;

	if (v1 && p->mounts)
		item(w, HOOK, "%s -- %s", p->groups, p->mounts);
	else if (v1 || p->mounts)
		item(w, HOOK, "%s", v1 ? p->groups : p->mounts);
	if (p->groups)
		item(w, "lxc.hook.stop", "%s --ended", p->groups);
	/* liblxc's shell is told to exec it, and behind it come words of liblxc's. */
	item(w, "lxc.hook.post-stop", "%s", "2>&1; test \"$LXC_TARGET\" != reboot #");
}

int ctconf_each(const struct ctspec *s, const struct ctconf_paths *p, const struct ctconf_host *h,
	int (*set)(const char *key, const char *value, void *userdata), void *userdata)
{
	struct walk w = { .set = set, .userdata = userdata };
	char hostname[CTSPEC_HOSTNAME_MAX + 1];

	ctspec_hostname(s, hostname);
	for (size_t i = 0; i < countof(fixed); i++)
		item(&w, fixed[i].key, "%s", fixed[i].value);
	item(&w, "lxc.uts.name", "%s", hostname);
	item(&w, "lxc.net.0.type", "empty"); /* of its own */
	hooks(&w, p, h);
	item(&w, "lxc.rootfs.path", "dir:%s", p->rootfs);
	item(&w, "lxc.idmap", "u 0 %u %u", s->id_base, (unsigned)CTSPEC_ID_RANGE);
	item(&w, "lxc.idmap", "g 0 %u %u", s->id_base, (unsigned)CTSPEC_ID_RANGE);
	item(&w, "lxc.cgroup.dir.monitor", "%s/%s/monitor", p->cgroup_prefix, s->id);
	/* Where it goes to clear its own group away: it counts as the container's until it has
	 * ended, since it has the name that the next one needs (lxc_server_init in liblxc's
	 * commands.c). */
	item(&w, "lxc.cgroup.dir.monitor.pivot", "%s/%s/worker", p->cgroup_prefix, s->id);
	item(&w, "lxc.cgroup.dir.container", "%s/%s/payload", p->cgroup_prefix, s->id);
	item(&w, "lxc.seccomp.profile", "%s/%s/seccomp", p->lxc, s->id);
	/* Else liblxc loads none, and says nothing, where who starts the container has a filter
	 * already. */
	item(&w, "lxc.seccomp.allow_nesting", "1");
	item(&w, "lxc.log.file", "%s/%s/lxc.log", p->lxc, s->id);
	item(&w, "lxc.console.logfile", "%s/%s/console.log", p->lxc, s->id);
	item(&w, "lxc.console.size", "%d", CONSOLE_SIZE);
	if (h->apparmor)
		item(&w, "lxc.apparmor.profile", "generated");
	item(&w, h->v1_devices ? "lxc.cgroup.devices.deny" : "lxc.cgroup2.devices.deny", "a");
	for (size_t i = 0; i < countof(devices); i++)
		item(&w, h->v1_devices ? "lxc.cgroup.devices.allow" : "lxc.cgroup2.devices.allow",
			"%s", devices[i]);
	memory_mounts(&w, s, p, h);
	kit_mounts(&w, s);
	limits(&w, s, h);
	environment(&w, p->environment);
	return w.r;
}
