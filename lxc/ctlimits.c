/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What limits a container has becomes lines, each the text for one file of one controller, in the
 * words of this host's hierarchies. Lines are written to the cgroup's files; and to a file of ours,
 * from which the hook of a start that nobody ordered writes them (lxc/groups_main.c). */
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

/* --- a limit is a line for one file --- */

#define LINES_MAX 5
#define TEXT_MAX  80
#define LINK      "link" /* for a controller: the limit that isn't a cgroup's */

struct line {
	char field[32], controller[16], file[48];
	bool wanted;
	int r; /* this host can't say it: why */
	char text[TEXT_MAX];
};

struct lines {
	struct line at[LINES_MAX];
	size_t n;
};

static struct line *add(struct lines *l, const struct ctgroup *g, const char *controller,
	const char *field, const char *v1, const char *v2, bool wanted)
{
	struct line *line = &l->at[l->n++];

	assert(l->n <= LINES_MAX);
	*line = (struct line){ .wanted = wanted };
	strcpy(line->controller, controller);
	(void)snprintf(line->field, sizeof(line->field), "limits.%s", field);
	strcpy(line->file, ctgroup_has_v1(g, controller) ? v1 : v2);
	return line;
}

static void set_number(struct line *line, int64_t value, const char *unlimited)
{
	if (value > 0)
		(void)snprintf(line->text, sizeof(line->text), "%lld", (long long)value);
	else
		strcpy(line->text, unlimited);
}

static void add_memory(struct lines *l, const struct ctgroup *g, const struct ctspec_limits *own,
	const struct ctspec_limits *bounds)
{
	struct line *line = add(l, g, "memory", "memory_bytes", "memory.limit_in_bytes",
		"memory.max", own->memory_bytes > 0);

	set_number(line, line->wanted ? own->memory_bytes : bounds->memory_bytes,
		ctgroup_has_v1(g, "memory") ? "-1" : "max");
}

static void add_pids(struct lines *l, const struct ctgroup *g, const struct ctspec_limits *own,
	const struct ctspec_limits *bounds)
{
	struct line *line = add(l, g, "pids", "pids", "pids.max", "pids.max", own->pids > 0);

	set_number(line, line->wanted ? own->pids : bounds->pids, "max");
}

static void add_cpu(struct lines *l, const struct ctgroup *g, const struct ctspec_limits *own)
{
	struct line *line =
		add(l, g, "cpu", "cpu_cores", "cpu.cfs_quota_us", "cpu.max", own->cpu_cores > 0);
	long long quota_us = (long long)(own->cpu_cores * CFS_PERIOD_US + 0.5);

	if (ctgroup_has_v1(g, "cpu"))
		set_number(line, quota_us, "-1");
	else if (quota_us > 0)
		(void)snprintf(line->text, sizeof(line->text), "%lld %d", quota_us, CFS_PERIOD_US);
	else
		strcpy(line->text, "max");
}

static void add_io(struct lines *l, const struct ctgroup *g, int64_t bps, dev_t disk, bool writes)
{
	bool v1 = ctgroup_has_v1(g, "blkio");
	struct line *line;
	char value[32] = "max";

	if (disk == 0 && bps <= 0)
		return;
	line = add(l, g, v1 ? "blkio" : "io", writes ? "io_write_bps" : "io_read_bps",
		writes ? "blkio.throttle.write_bps_device" : "blkio.throttle.read_bps_device",
		"io.max", bps > 0);
	if (disk == 0)
		line->r = -ENODEV;
	if (bps > 0 || v1)
		(void)snprintf(value, sizeof(value), "%lld", (long long)bps);
	(void)snprintf(line->text, sizeof(line->text), "%u:%u %s%s", major(disk), minor(disk),
		v1       ? ""
		: writes ? "wbps="
			 : "rbps=",
		value);
}

static void add_both_io(
	struct lines *l, const struct ctgroup *g, const struct ctspec_limits *own, dev_t disk)
{
	add_io(l, g, own->io_read_bps, disk, false);
	add_io(l, g, own->io_write_bps, disk, true);
}

static void add_all(struct lines *l, const struct ctgroup *g, const struct ctspec_limits *own,
	const struct ctspec_limits *bounds, dev_t disk)
{
	add_memory(l, g, own, bounds);
	add_pids(l, g, own, bounds);
	add_cpu(l, g, own);
	add_both_io(l, g, own, disk);
}

/* A hierarchy without a controller has no limit to lift. */
static int apply(const struct ctgroup *g, const char *id, const struct line *line, struct err *err)
{
	int r = line->r < 0 ? line->r
			    : ctgroup_write(g, line->controller, id, line->file, line->text);

	if (r >= 0 || (r == -ENOENT && !line->wanted))
		return 0;
	return err_set(err, r, ERR_LIMIT_NOT_SUPPORTED, line->field,
		r == -EBUSY ? "%s is less than what the container uses now"
			    : "this host does not take the limit %s: %s",
		line->field, strerror(-r));
}

static int apply_lines(
	const struct ctgroup *g, const char *id, const struct lines *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < l->n; i++)
		r = apply(g, id, &l->at[i], err);
	return r;
}

/* --- what is there --- */

int ctlimits_apply_io(struct ctgroup *g, const struct ctspec *s, dev_t disk, struct err *err)
{
	struct lines l = {};

	add_both_io(&l, g, &s->limits, disk);
	return apply_lines(g, s->id, &l, err);
}

int ctlimits_apply(struct ctgroup *g, const struct ctspec *s, const struct ctspec_limits *bounds,
	dev_t disk, struct err *err)
{
	struct lines l = {};

	add_all(&l, g, &s->limits, bounds, disk);
	return apply_lines(g, s->id, &l, err);
}

int ctlimits_keep(struct ctgroup *g, const struct ctspec *s, const struct ctspec_limits *bounds,
	dev_t disk, const char *path, struct err *err)
{
	_cleanup_(freep) char *made = xasprintf("%s.new", path);
	FILE *f = fopen(made, "we");
	struct lines l = {};
	bool whole = f;

	add_all(&l, g, &s->limits, bounds, disk);
	for (size_t i = 0; whole && i < l.n; i++)
		whole = fprintf(f, "%s %s %s %d %s\n", l.at[i].field, l.at[i].controller,
				l.at[i].file, l.at[i].wanted, l.at[i].text) > 0;
	if (whole)
		whole = fprintf(f, "limits.net_bps " LINK " - %d %lld\n", s->limits.net_bps > 0,
				(long long)s->limits.net_bps) > 0;
	if (f)
		whole = fclose(f) == 0 && whole;
	if (whole && rename(made, path) == 0)
		return 0;
	return err_set(err, -errno, ERR_INTERNAL, "Node.StateDirectory", "can't write %s: %s", path,
		strerror(errno));
}

static bool read_line(FILE *f, struct line *ret)
{
	int wanted;

	*ret = (struct line){};
	if (fscanf(f, "%31s %15s %47s %d %79[^\n]", ret->field, ret->controller, ret->file, &wanted,
		    ret->text) != 5)
		return false;
	ret->wanted = wanted;
	return true;
}

int ctlimits_apply_kept(
	struct ctgroup *g, const char *id, const char *path, int64_t *ret_net_bps, struct err *err)
{
	FILE *f = fopen(path, "re");
	struct line line;
	int r = 0;

	*ret_net_bps = -1;
	if (!f)
		return errno == ENOENT ? 0
				       : err_set(err, -errno, ERR_INTERNAL, "Node.StateDirectory",
						 "can't read %s: %s", path, strerror(errno));
	while (r >= 0 && read_line(f, &line))
		if (strcmp(line.controller, LINK) == 0)
			*ret_net_bps = strtoll(line.text, NULL, 10);
		else
			r = apply(g, id, &line, err);
	(void)fclose(f);
	return r;
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
