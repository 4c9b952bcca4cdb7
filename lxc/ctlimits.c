/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctlimits.h"

#include <fcntl.h>
#include <mntent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CFS_PERIOD_US 100000
/* of each such period: some 10 MB/s of console, or an init's restart in one */
#define MONITOR_QUOTA_US 25000

/* --- the disk --- */

/* The last mount at the longest prefix is what @path lies on. */
static char *source_of(const char *path)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	FILE *f = real ? setmntent("/proc/self/mounts", "re") : NULL;
	char buffer[4096], *source = NULL;
	size_t best = 0;
	struct mntent m;

	while (f && getmntent_r(f, &m, buffer, sizeof(buffer))) {
		size_t len = strcmp(m.mnt_dir, "/") == 0 ? 0 : strlen(m.mnt_dir);

		if (len < best || strncmp(real, m.mnt_dir, len) != 0 ||
			(real[len] != '/' && real[len] != '\0'))
			continue;
		best = len;
		free(source);
		source = xstrdup(m.mnt_fsname);
	}
	if (f)
		(void)endmntent(f);
	return source;
}

/* The kernel takes no limit for a partition: its disk's directory is the one above. */
static dev_t whole_disk(dev_t of)
{
	_cleanup_(freep) char *partition =
		xasprintf("/sys/dev/block/%u:%u/partition", major(of), minor(of));
	_cleanup_(freep) char *path =
		xasprintf("/sys/dev/block/%u:%u/../dev", major(of), minor(of));
	unsigned a, b;
	bool found;
	FILE *f;

	if (access(partition, F_OK) < 0)
		return of;
	f = fopen(path, "re");
	found = f && fscanf(f, "%u:%u", &a, &b) == 2;
	if (f)
		(void)fclose(f);
	return found ? makedev(a, b) : 0;
}

dev_t ctlimits_disk(const char *path)
{
	_cleanup_(freep) char *source = source_of(path);
	struct stat st;

	if (!source || stat(source, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	return whole_disk(st.st_rdev);
}

/* --- one by one --- */

static int fail(struct err *err, int r, const char *field)
{
	return err_set(err, r, ERR_LIMIT_NOT_SUPPORTED, field,
		r == -EBUSY ? "%s is less than what the container uses now"
			    : "this host does not take the limit %s: %s",
		field, strerror(-r));
}

static int set(struct ctgroup *g, const char *id, const char *controller, const char *v1,
	const char *v2, const char *text)
{
	return ctgroup_write(g, controller, id, ctgroup_has_v1(g, controller) ? v1 : v2, text);
}

static int set_number(struct ctgroup *g, const char *id, const char *controller, const char *v1,
	const char *v2, int64_t value)
{
	char text[32];

	if (value > 0)
		(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	else
		strcpy(text, ctgroup_has_v1(g, controller) && strcmp(controller, "pids") != 0
				     ? "-1"
				     : "max");
	return set(g, id, controller, v1, v2, text);
}

static int64_t memory_now(struct ctgroup *g, const char *id)
{
	char text[32];
	int r = ctgroup_read(g, "memory", id, "memory.current", text, sizeof(text));

	return r < 0 ? 0 : strtoll(text, NULL, 10);
}

/* A lower memory.high has the kernel take back what it can, and kills nobody. */
static int make_room(struct ctgroup *g, const char *id, int64_t max)
{
	char text[32];
	int r = 0;

	if (memory_now(g, id) > max) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)max);
		r = ctgroup_write(g, "memory", id, "memory.high", text);
	}
	return r >= 0 && memory_now(g, id) > max ? -EBUSY : r;
}

/* v1 refuses a limit that it can't get the group below (EBUSY). cgroup2 takes it, and kills what is
 * in the group until it is below, so that there we look first. */
static int set_memory(struct ctgroup *g, const char *id, int64_t bytes)
{
	bool looks = !ctgroup_has_v1(g, "memory");
	int r = looks && bytes > 0 ? make_room(g, id, bytes) : 0;

	if (r >= 0)
		r = set_number(g, id, "memory", "memory.limit_in_bytes", "memory.max", bytes);
	if (looks) /* what who was killed before has left, too; none: there is no controller */
		(void)!ctgroup_write(g, "memory", id, "memory.high", "max");
	return r;
}

static int set_cpu(struct ctgroup *g, const struct ctspec *s)
{
	long long quota_us = (long long)(s->limits.cpu_cores * CFS_PERIOD_US + 0.5);
	char text[64];

	if (!ctgroup_has_v1(g, "cpu")) {
		if (quota_us > 0)
			(void)snprintf(text, sizeof(text), "%lld %d", quota_us, CFS_PERIOD_US);
		else
			strcpy(text, "max");
		return ctgroup_write(g, "cpu", s->id, "cpu.max", text);
	}
	return set_number(g, s->id, "cpu", "cpu.cfs_quota_us", NULL, quota_us);
}

/* A hierarchy without a controller has no limit to lift. */
static bool is_lifted_anyway(int r, bool wanted)
{
	return r == -ENOENT && !wanted;
}

static int set_io(struct ctgroup *g, const struct ctspec *s, dev_t disk, bool writes)
{
	int64_t bps = writes ? s->limits.io_write_bps : s->limits.io_read_bps;
	bool v1 = ctgroup_has_v1(g, "blkio");
	char text[80], value[32] = "max";

	if (disk == 0)
		return bps > 0 ? -ENODEV : 0;
	if (bps > 0 || v1)
		(void)snprintf(value, sizeof(value), "%lld", (long long)bps);
	(void)snprintf(text, sizeof(text), "%u:%u %s%s", major(disk), minor(disk),
		v1       ? ""
		: writes ? "wbps="
			 : "rbps=",
		value);
	if (v1)
		return ctgroup_write(g, "blkio", s->id,
			writes ? "blkio.throttle.write_bps_device"
			       : "blkio.throttle.read_bps_device",
			text);
	return ctgroup_write(g, "io", s->id, "io.max", text);
}

int ctlimits_apply_io(struct ctgroup *g, const struct ctspec *s, dev_t disk, struct err *err)
{
	int r = set_io(g, s, disk, false);

	if (r < 0 && !is_lifted_anyway(r, s->limits.io_read_bps > 0))
		return fail(err, r, "limits.io_read_bps");
	r = set_io(g, s, disk, true);
	return r < 0 && !is_lifted_anyway(r, s->limits.io_write_bps > 0)
		       ? fail(err, r, "limits.io_write_bps")
		       : 0;
}

int ctlimits_apply(struct ctgroup *g, const struct ctspec *s, const struct ctspec_limits *bounds,
	dev_t disk, struct err *err)
{
	const struct ctspec_limits *l = &s->limits;
	int r = set_memory(g, s->id, l->memory_bytes > 0 ? l->memory_bytes : bounds->memory_bytes);

	if (r < 0 && !is_lifted_anyway(r, l->memory_bytes > 0))
		return fail(err, r, "limits.memory_bytes");
	r = set_number(
		g, s->id, "pids", "pids.max", "pids.max", l->pids > 0 ? l->pids : bounds->pids);
	if (r < 0 && !is_lifted_anyway(r, l->pids > 0))
		return fail(err, r, "limits.pids");
	r = set_cpu(g, s);
	if (r < 0 && !is_lifted_anyway(r, l->cpu_cores > 0))
		return fail(err, r, "limits.cpu_cores");
	return ctlimits_apply_io(g, s, disk, err);
}

int ctlimits_bound_monitor(struct ctgroup *g, const char *id, struct err *err)
{
	bool v1 = ctgroup_has_v1(g, "cpu");
	char text[64];
	int r;

	(void)snprintf(text, sizeof(text), v1 ? "%d" : "%d %d", MONITOR_QUOTA_US, CFS_PERIOD_US);
	r = ctgroup_write_leaf(g, "cpu", id, "monitor", v1 ? "cpu.cfs_quota_us" : "cpu.max", text);
	return r >= 0 || r == -ENOENT
		       ? 0
		       : err_set(err, r, ERR_INTERNAL, NULL,
				 "the container's monitor can't be bounded: %s", strerror(-r));
}
