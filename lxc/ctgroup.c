/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's cgroup hierarchies, each by a descriptor of its mount point: one of cgroup2, which
 * is our register of a container's processes, and on hybrid hosts v1 ones with controllers of
 * their own. A container has <prefix>/<id> in each, with "payload" (its own), "monitor"
 * (liblxc's) and "worker" below. ctgroup_dir() finds where a controller is; callers don't ask by
 * which version.
 *
 * Everything is opened by name for the one use, and links are not followed: groups come and go
 * while we look. One that is gone is empty, frozen never, and removed already: no error. Kill
 * thaws first (v1 tasks die only then) and repeats until nobody is left. Nothing is kept here of
 * what was read or written. */
#include "lxc/ctgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "lxc/cttree.h"
#include "proto/clock.h"
#include "proto/ident.h"

#define HIERARCHIES_MAX 24
#define FILE_MAX        4096
#define FREEZE_POLL_MS  2
#define PIDS_MAX        65536 /* of one cgroup.procs that we look at */
#define KILL_AGAIN_MS   10
#define LEAF            ".lxc"
#define FAVOR           "favordynmods"
#define FIRST_NAMESPACE 0xeffffffbU /* the kernel's PROC_CGROUP_INIT_INO */
#define LEAF_TRIES      4
#define OWN_GROUPS      3 /* monitor, payload, worker */
/* xattrs of a container's group, which cgroup2 has */
#define NOTE  "trusted.hoody.init"
#define AGAIN "trusted.hoody.reboot"
#define KILLS "trusted.hoody.oom-kills"

struct hierarchy {
	int fd;            /* of the mount point */
	bool unified;      /* cgroup2 */
	char options[256]; /* of its mount; v1: the controllers among them */
};

struct ctgroup {
	char prefix[64];
	size_t n;
	struct hierarchy at[HIERARCHIES_MAX];
	int unified; /* index of the cgroup2 tree, our register of processes */
};

/* --- small files --- */

static int open_dir(const struct ctgroup *g, size_t i, const char *id, const char *leaf)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s%s%s%s%s", g->prefix, id ? "/" : "", id ? id : "",
		leaf ? "/" : "", leaf ? leaf : "");
	return openat(g->at[i].fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int read_file(int dir, const char *name, char *ret, size_t size)
{
	_cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static int write_file(int dir, const char *name, const char *text)
{
	_cleanup_(closep) int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* "key N" lines, as in memory.events, cgroup.events and memory.oom_control. */
static int64_t keyed(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; (p = strstr(p, key)); p += n)
		if ((p == text || p[-1] == '\n') && p[n] == ' ')
			return strtoll(p + n + 1, NULL, 10);
	return -ENODATA;
}

/* A group that is not there, or goes while it is read, is empty. */
static int unless_gone(int r)
{
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

/* --- finding the hierarchies --- */

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = options; (p = strstr(p, name)); p += n)
		if ((p == options || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
			return true;
	return false;
}

static int add_mount(struct ctgroup *g, const struct mntent *m)
{
	struct hierarchy *h = &g->at[g->n];
	bool unified = strcmp(m->mnt_type, "cgroup2") == 0;

	if (g->n == HIERARCHIES_MAX || (!unified && strcmp(m->mnt_type, "cgroup") != 0) ||
		(unified && g->unified >= 0))
		return 0;
	h->fd = open(m->mnt_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno; /* not for us */
	h->unified = unified;
	(void)snprintf(h->options, sizeof(h->options), "%s", m->mnt_opts);
	if (unified)
		g->unified = (int)g->n;
	g->n++;
	return 0;
}

/* Of a line of /proc/self/cgroup (cgroups(7)): of v1 the first of its controllers or "name=…",
 * nothing of cgroup2. */
static bool has_hierarchy(const struct ctgroup *g, const char *line)
{
	const char *colon = strchr(line, ':');
	char name[64] = "";

	if (!colon || strcspn(colon + 1, ",:") >= sizeof(name))
		return false;
	memcpy(name, colon + 1, strcspn(colon + 1, ",:"));
	for (size_t i = 0; i < g->n; i++)
		if (*name ? has_option(g->at[i].options, name) : g->at[i].unified)
			return true;
	return false;
}

/* Every one of @lines, of which there must be some. */
static bool has_all(const struct ctgroup *g, const char *lines)
{
	const char *line = lines;

	while (*line && has_hierarchy(g, line)) {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return line > lines && !*line;
}

/* All of them: one that is missing for want of a descriptor would be taken for one that this host
 * lacks, and its controllers with it. The list grows with the containers, each of which has a
 * mount, and is read no further than it must: hierarchies were there before. */
static int find_mounts(struct ctgroup *g)
{
	char buffer[4096], hierarchies[FILE_MAX] = "";
	struct mntent m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	int r = f ? 0 : -errno;

	if (read_file(AT_FDCWD, "/proc/self/cgroup", hierarchies, sizeof(hierarchies)) < 0 ||
		strlen(hierarchies) == sizeof(hierarchies) - 1)
		*hierarchies = '\0'; /* which there are, or all of them, isn't known */
	while (r >= 0 && getmntent_r(f, &m, buffer, sizeof(buffer))) {
		size_t before = g->n;

		r = add_mount(g, &m);
		if (r >= 0 && g->n > before && has_all(g, hierarchies))
			break;
	}
	if (f && r >= 0 && ferror(f))
		r = -EIO;
	if (f)
		(void)endmntent(f);
	return r;
}

int ctgroup_open(const char *prefix, struct ctgroup **ret, struct err *err)
{
	struct ctgroup *g = xcalloc(1, sizeof(*g));
	int r;

	g->unified = -1;
	(void)snprintf(g->prefix, sizeof(g->prefix), "%s", prefix);
	r = find_mounts(g);
	if (r < 0)
		(void)err_set(err, r, ERR_INTERNAL, NULL,
			"the cgroup hierarchies can't be opened: %s", strerror(-r));
	else if (g->unified < 0)
		r = err_set(err, -ENOENT, ERR_INTERNAL, NULL,
			"no cgroup2 tree is mounted: containers' processes could not be followed");
	if (r < 0) {
		ctgroup_close(g);
		return r;
	}
	*ret = g;
	return 0;
}

struct ctgroup *ctgroup_close(struct ctgroup *g)
{
	if (g) {
		for (size_t i = 0; i < g->n; i++)
			closefd(g->at[i].fd);
		free(g);
	}
	return NULL;
}

void ctgroup_forget(struct ctgroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		(void)unlinkat(g->at[i].fd, g->prefix,
			AT_REMOVEDIR); /* not empty: a container's, which goes on */
}

/* --- what is written in a container's --- */

/* @text NULL: none is there any more. */
static int write_note(struct ctgroup *g, const char *id, const char *name, const char *text)
{
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, NULL);
	int r = dir < 0 ? -1
		: text  ? fsetxattr(dir, name, text, strlen(text), 0)
			: fremovexattr(dir, name);

	return r < 0 && (text || errno != ENODATA) ? -errno : 0;
}

/* 1; 0 without a word or a group. */
static int read_note(struct ctgroup *g, const char *id, const char *name, char *ret, size_t size)
{
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, NULL);
	ssize_t n = dir < 0 ? -1 : fgetxattr(dir, name, ret, size - 1);

	if (n < 0 && errno != ENODATA)
		return unless_gone(-errno);
	ret[MAX_OF(n, 0)] = '\0';
	return n > 0;
}

static int find_v1(const struct ctgroup *g, const char *controller)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->at[i].unified && has_option(g->at[i].options, controller))
			return (int)i;
	return -1;
}

int ctgroup_dir(const struct ctgroup *g, const char *controller, const char *id, const char *leaf,
	bool *ret_unified)
{
	int i = controller ? find_v1(g, controller) : -1;

	*ret_unified = i < 0;
	return open_dir(g, (size_t)(i < 0 ? g->unified : i), id, leaf);
}

bool ctgroup_has_v1(const struct ctgroup *g, const char *controller)
{
	return find_v1(g, controller) >= 0;
}

bool ctgroup_has(const struct ctgroup *g, const char *controller)
{
	char text[FILE_MAX], *rest = text, *word;
	bool found = ctgroup_has_v1(g, controller);

	if (found || read_file(g->at[g->unified].fd, "cgroup.controllers", text, sizeof(text)) < 0)
		return found;
	while (!found && (word = strsep(&rest, " \n")))
		found = strcmp(word, controller) == 0;
	return found;
}

int64_t ctgroup_oom_kills(struct ctgroup *g, const char *id)
{
	char text[FILE_MAX];
	bool unified = !ctgroup_has_v1(g, "memory");
	/* cgroup2 counts in the container's own group what its payload's has seen, also when liblxc
	 * has removed that: an end is looked into when it is over. */
	_cleanup_(closep) int dir =
		ctgroup_dir(g, "memory", id, unified ? NULL : "payload", &unified);

	if (dir >= 0 && read_file(dir, unified ? "memory.events" : "memory.oom_control", text,
				sizeof(text)) >= 0)
		return keyed(text, "oom_kill");
	return read_note(g, id, KILLS, text, sizeof(text)) > 0 ? strtoll(text, NULL, 10) : -ENODATA;
}

int ctgroup_keep_oom_kills(struct ctgroup *g, const char *id)
{
	int64_t kills = ctgroup_oom_kills(g, id);
	char text[24];

	if (kills < 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%lld", (long long)kills);
	return write_note(g, id, KILLS, text);
}

int ctgroup_read(const struct ctgroup *g, const char *controller, const char *id, const char *file,
	char *ret, size_t size)
{
	bool unified;
	_cleanup_(closep) int dir = ctgroup_dir(g, controller, id, "payload", &unified);

	return dir < 0 ? -errno : read_file(dir, file, ret, size);
}

int ctgroup_write_leaf(const struct ctgroup *g, const char *controller, const char *id,
	const char *leaf, const char *file, const char *text)
{
	bool unified;
	_cleanup_(closep) int dir = ctgroup_dir(g, controller, id, leaf, &unified);

	return dir < 0 ? -errno : write_file(dir, file, text);
}

int ctgroup_write(const struct ctgroup *g, const char *controller, const char *id, const char *file,
	const char *text)
{
	return ctgroup_write_leaf(g, controller, id, "payload", file, text);
}

/* --- who is there --- */

int ctgroup_list(struct ctgroup *g, void (*found)(const char *id, void *userdata), void *userdata)
{
	int fd = open_dir(g, (size_t)g->unified, NULL, NULL);
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		closefd(fd);
		return -errno;
	}
	while ((e = readdir(d)))
		if (ident_is_id(e->d_name))
			found(e->d_name, userdata);
	(void)closedir(d);
	return 0;
}

/* The processes of a threaded group stand in its parent (EOPNOTSUPP). */
static int pids_of(int dir, int (*each)(pid_t pid, void *userdata), void *userdata)
{
	int pid, r = 0, fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *procs = fd < 0 ? NULL : fdopen(fd, "re");

	if (!procs)
		return unless_gone(-errno);
	for (int i = 0; r == 0 && i < PIDS_MAX && fscanf(procs, "%d", &pid) == 1; i++)
		r = each((pid_t)pid, userdata);
	if (r == 0 && ferror(procs) && errno != EOPNOTSUPP)
		r = unless_gone(-errno);
	(void)fclose(procs);
	return r;
}

struct each_pid {
	int (*each)(pid_t pid, void *userdata);
	void *userdata;
};

static int pids_in(int dir, void *userdata)
{
	const struct each_pid *e = userdata;

	return pids_of(dir, e->each, e->userdata);
}

int ctgroup_each_pid(struct ctgroup *g, const char *id, const char *leaf,
	int (*each)(pid_t pid, void *userdata), void *userdata)
{
	struct each_pid e = { each, userdata };
	int fd = open_dir(g, (size_t)g->unified, id, leaf);

	return fd < 0 ? unless_gone(-errno) : cttree_walk(fd, pids_in, &e);
}

int ctgroup_note(struct ctgroup *g, const char *id, const char *text)
{
	return write_note(g, id, NOTE, text);
}

int ctgroup_noted(struct ctgroup *g, const char *id, char *ret, size_t size)
{
	return read_note(g, id, NOTE, ret, size);
}

int ctgroup_note_reboot(struct ctgroup *g, const char *id, bool reboots)
{
	return write_note(g, id, AGAIN, reboots ? "1" : NULL);
}

int ctgroup_is_rebooting(struct ctgroup *g, const char *id)
{
	char text[8];

	return read_note(g, id, AGAIN, text, sizeof(text));
}

int ctgroup_is_populated(struct ctgroup *g, const char *id)
{
	char text[FILE_MAX];
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, NULL);
	int r = dir < 0 ? -errno : read_file(dir, "cgroup.events", text, sizeof(text));

	return r < 0 ? unless_gone(r) : keyed(text, "populated") == 1;
}

/* --- freezer --- */

int ctgroup_is_frozen(struct ctgroup *g, const char *id)
{
	char text[FILE_MAX];
	bool unified;
	_cleanup_(closep) int dir = ctgroup_dir(g, "freezer", id, "payload", &unified);
	int r = dir < 0 ? -errno
			: read_file(dir, unified ? "cgroup.events" : "freezer.state", text,
				  sizeof(text));

	if (r < 0)
		return unless_gone(r);
	return unified ? keyed(text, "frozen") == 1 : strncmp(text, "FROZEN", 6) == 0;
}

static int tell_freezer(int dir, bool unified, bool frozen)
{
	return unified ? write_file(dir, "cgroup.freeze", frozen ? "1" : "0")
		       : write_file(dir, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

int ctgroup_set_frozen(struct ctgroup *g, const char *id, bool frozen, int wait_ms)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + wait_ms;
	bool unified;
	_cleanup_(closep) int dir = ctgroup_dir(g, "freezer", id, "payload", &unified);
	int r, is;

	if (dir < 0)
		return -errno;
	/* Again and again: who a v1 freezer has missed is asked anew by each word. */
	while ((r = tell_freezer(dir, unified, frozen)) >= 0 &&
		(is = ctgroup_is_frozen(g, id)) != frozen) {
		if (is < 0)
			return is;
		if (wait_ms >= 0 && clock_ms(CLOCK_MONOTONIC) >= end_ms)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, FREEZE_POLL_MS);
	}
	return r;
}

/* Frozen tasks of a v1 freezer don't even die before they are thawed; those of cgroup2 do. */
static void thaw(struct ctgroup *g, const char *id)
{
	bool unified;
	_cleanup_(closep) int dir = ctgroup_dir(g, "freezer", id, "payload", &unified);

	if (dir >= 0)
		(void)tell_freezer(dir, unified, false); /* not frozen: nothing to do */
}

/* --- the end --- */

static int kill_one(pid_t pid, void *userdata)
{
	if (pid > 0)
		(void)kill(pid, SIGKILL); /* gone meanwhile: fine; a pid can't be reused while it
					     stands in the group */
	return 0;
}

static void kill_all(struct ctgroup *g, const char *id)
{
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, NULL);

	if (dir >= 0 && write_file(dir, "cgroup.kill", "1") < 0)
		(void)!ctgroup_each_pid(g, id, NULL, kill_one, NULL); /* before Linux 5.14 */
}

int ctgroup_kill(struct ctgroup *g, const char *id, int wait_ms)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + wait_ms;
	int r;

	while ((r = ctgroup_is_populated(g, id)) > 0) {
		thaw(g, id);
		kill_all(g, id);
		r = ctgroup_is_populated(g, id);
		if (r <= 0)
			break;
		if (clock_ms(CLOCK_MONOTONIC) >= end_ms)
			return -EBUSY;
		(void)poll(NULL, 0, KILL_AGAIN_MS);
	}
	return r;
}

int ctgroup_remove(struct ctgroup *g, const char *id)
{
	int result = 0;

	for (size_t i = 0; i < g->n; i++) {
		char path[256];
		int r, fd = open_dir(g, i, id, NULL);

		if (fd < 0)
			continue;
		r = cttree_clear(fd);
		(void)snprintf(path, sizeof(path), "%s/%s", g->prefix, id);
		if (r >= 0 && unlinkat(g->at[i].fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = -errno;
		result = MIN_OF(result, r);
	}
	return result;
}

static int make_dir(int at, const char *path)
{
	return mkdirat(at, path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int ctgroup_bound(struct ctgroup *g, const char *id, int64_t groups, int64_t depth)
{
	char text[32];
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, NULL);
	int r;

	if (dir < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%lld", (long long)groups + OWN_GROUPS);
	r = write_file(dir, "cgroup.max.descendants", text);
	(void)snprintf(text, sizeof(text), "%lld", (long long)depth + 1);
	return r < 0 ? r : write_file(dir, "cgroup.max.depth", text);
}

bool ctgroup_is_hybrid(const struct ctgroup *g)
{
	return g->n > 1;
}

/* @name "": the directory itself. */
static int withdraw(int dir, const char *name)
{
	if (fchownat(dir, name, 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 0;
}

int ctgroup_withdraw(struct ctgroup *g, const char *id, struct err *err)
{
	static const char *const names[] = { "", "tasks", "cgroup.procs" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < g->n; i++) {
		_cleanup_(closep) int dir = g->at[i].unified ? -1 : open_dir(g, i, id, "payload");

		if (dir < 0 && !g->at[i].unified && errno != ENOENT)
			r = -errno;
		for (size_t k = 0; dir >= 0 && r >= 0 && k < countof(names); k++)
			r = withdraw(dir, names[k]);
	}
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL,
			       "the container's v1 cgroups can't be taken from it: %s",
			       strerror(-r))
		     : 0;
}

int ctgroup_enter_worker(struct ctgroup *g, const char *id)
{
	int tree = g->at[g->unified].fd, r;
	char parent[128], path[160];

	(void)snprintf(parent, sizeof(parent), "%s/%s", g->prefix, id);
	(void)snprintf(path, sizeof(path), "%s/worker", parent);
	r = make_dir(tree, g->prefix);
	if (r >= 0)
		r = make_dir(tree, parent);
	if (r >= 0)
		r = make_dir(tree, path);
	return r < 0 ? r : ctgroup_join_worker(g, id);
}

int ctgroup_join_worker(struct ctgroup *g, const char *id)
{
	_cleanup_(closep) int dir = open_dir(g, (size_t)g->unified, id, "worker");

	return dir < 0 ? -errno : write_file(dir, "cgroup.procs", "0");
}

/* "0::" and its path below the mount point: cgroups(7). */
int ctgroup_stay(const struct ctgroup *g)
{
	char text[FILE_MAX], *own, path[FILE_MAX];
	int r = read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));

	if (r < 0)
		return r;
	own = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (!own)
		return -ENOENT;
	own = strchr(own, '/') + 1;
	own[strcspn(own, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "%s%scgroup.procs", own, *own ? "/" : "");
	return write_file(g->at[g->unified].fd, path, "0");
}

bool ctgroup_favors_moves(const struct ctgroup *g)
{
	return has_option(g->at[g->unified].options, FAVOR);
}

/* Whose word counts: all others' options are ignored (the kernel's apply_cgroup_root_flags). */
static bool in_first_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino == FIRST_NAMESPACE;
}

/* Options that are not said again are taken away. Words that are the mount's ("relatime") are none
 * of the file system's, which refuses them; only "ro" would mean another thing here. */
int ctgroup_favor_moves(const struct ctgroup *g)
{
	const struct hierarchy *h = &g->at[g->unified];
	char options[sizeof(h->options)], *rest = options, *word;
	_cleanup_(closep) int fs = -1;

	if (ctgroup_favors_moves(g) || !in_first_namespace())
		return 0;
	fs = fspick(h->fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, FAVOR, NULL, 0) < 0)
		return -errno;
	(void)snprintf(options, sizeof(options), "%s", h->options);
	while ((word = strsep(&rest, ",")))
		if (strcmp(word, "ro") != 0)
			(void)fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0);
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 1;
}

/* Nobody inside can give away what is his to root. */
static int open_own(int payload, const char *name)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r = make_dir(payload, name);

	if (r < 0)
		return r;
	fd = openat(payload, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == 0 ? take_fd(&fd) : -EEXIST;
}

static int open_leaf(int payload)
{
	char name[32] = LEAF;
	int fd = open_own(payload, name);

	for (int i = 0; fd == -EEXIST && i < LEAF_TRIES; i++) {
		uint64_t number = 0;

		if (getrandom(&number, sizeof(number), 0) < 0)
			return -errno;
		(void)snprintf(name, sizeof(name), LEAF "-%016llx", (unsigned long long)number);
		fd = open_own(payload, name);
	}
	return fd;
}

/* A payload that has threads' groups, or no room for one more, is a place for processes itself. */
static int move_into(int payload, bool unified, const char *pid)
{
	_cleanup_(closep) int leaf = unified ? open_leaf(payload) : -1;

	if (leaf >= 0 && write_file(leaf, "cgroup.procs", pid) == 0)
		return 0;
	return write_file(payload, "cgroup.procs", pid);
}

int ctgroup_move_in(struct ctgroup *g, const char *id, pid_t pid)
{
	char text[16];
	int r = 0;

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; r >= 0 && i < g->n; i++) {
		_cleanup_(closep) int payload = open_dir(g, i, id, "payload");

		if (payload >= 0)
			r = move_into(payload, g->at[i].unified, text);
		else if (errno != ENOENT || g->at[i].unified)
			r = -errno;
	}
	return r;
}
