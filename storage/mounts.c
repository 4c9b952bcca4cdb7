/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/ident.h"
#include "storage/mountinfo.h"
#include "storage/path.h"

#define PLAIN_FLAGS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define COVERS_MAX  4096 /* that are taken off one mount */

/* --- a source --- */

/* Below the root of its container: directories alone, and none that is somebody else's mount. */
static int open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd;

	path += strspn(path, "/");
	do
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

static int open_source(const struct mounts_target *t, const json_t *wish)
{
	const char *id = json_string_value(json_object_get(wish, "source_id")),
		   *path = json_string_value(json_object_get(wish, "path")),
		   *host = json_string_value(json_object_get(wish, "host"));
	_cleanup_(freep) char *top = NULL;
	_cleanup_(closep) int root = -1;
	int fd;

	if (host) {
		fd = open(host, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (!id || !ident_is_id(id) || !path)
		return -EINVAL;
	top = xasprintf("%s/containers/%s/rootfs", t->pool, id);
	root = open(top, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return root < 0 ? -errno : open_beneath(root, path);
}

/* --- children --- */

/* What a process that is forked off must do first: end with its parent, also when that has ended by now,
 * and hold nothing open but these, so that nobody waits for the end of what is not its own (a worker's
 * channel, by which its death is known). */
static void become_child(pid_t parent, int a, int b, int c, int d)
{
	int keep[] = { a, b, c, d };
	unsigned from = STDERR_FILENO + 1;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < countof(keep); i++) { /* the smallest that is left */
		size_t least = countof(keep);

		for (size_t k = 0; k < countof(keep); k++)
			if (keep[k] >= (int)from &&
				(least == countof(keep) || keep[k] < keep[least]))
				least = k;
		if (least == countof(keep))
			break;
		if ((unsigned)keep[least] > from)
			(void)close_range(from, (unsigned)keep[least] - 1, 0);
		from = (unsigned)keep[least] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

/* --- a mount of it, with flags that nobody in the container can take off --- */

/* In a process of its own that ends with it: namespaces are not left. Never returns. */
static void copy_locked(pid_t parent, int fd, const char *over, int tell)
{
	int copy;

	become_child(parent, fd, tell, -1, -1);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		move_mount(fd, "", AT_FDCWD, over, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
		unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* other credentials may have taken it off */
	copy = open_tree(AT_FDCWD, over, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (getppid() != parent || copy < 0 || write(tell, &copy, sizeof(copy)) != sizeof(copy))
		_exit(1);
	for (;;)
		(void)pause(); /* until the copy was fetched, and then SIGKILL */
}

static int fetch(pid_t child, int listen)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	int theirs, fd;

	if (pidfd < 0 || read(listen, &theirs, sizeof(theirs)) != sizeof(theirs))
		return -EPERM;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	return fd < 0 ? -errno : fd;
}

static int lock_flags(int fd_of_mount, const char *over)
{
	int ends[2], fd;
	pid_t parent = getpid(), child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		copy_locked(parent, fd_of_mount, over, ends[1]);
	closefd(ends[1]);
	fd = child < 0 ? -errno : fetch(child, ends[0]);
	closefd(ends[0]);
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	return fd;
}

/* How ids on the disk become those of the container. */
enum map { MAP_NONE, MAP_OPTIONAL, MAP_REQUIRED };

static enum map map_of(const json_t *wish)
{
	const char *map = json_string_value(json_object_get(wish, "map"));

	return !map ? MAP_REQUIRED : strcmp(map, "none") == 0 ? MAP_NONE : MAP_OPTIONAL;
}

/* File systems that can't map ids (NFS, most of FUSE; tmpfs before 6.3) say EINVAL. */
static int set_attributes(int fd, const struct mounts_target *t, bool readonly, enum map map)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/user", (int)t->init);
	_cleanup_(closep) int user = open(path, O_RDONLY | O_CLOEXEC);
	struct mount_attr attr = { .attr_set = PLAIN_FLAGS | (readonly ? MOUNT_ATTR_RDONLY : 0) };
	struct mount_attr mapped = attr;

	if (user < 0)
		return -errno;
	mapped.attr_set |= MOUNT_ATTR_IDMAP;
	mapped.userns_fd = (uint64_t)user;
	if (map != MAP_NONE && mount_setattr(fd, "", AT_EMPTY_PATH, &mapped, sizeof(mapped)) == 0)
		return 0;
	if (map == MAP_REQUIRED)
		return -errno;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int make_mount(const struct mounts_target *t, int source, bool readonly, enum map map)
{
	_cleanup_(closep) int fd =
		open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	int r;

	if (fd < 0)
		return -errno;
	r = set_attributes(fd, t, readonly, map);
	return r < 0 ? r : lock_flags(fd, t->run);
}

/* --- in the container's mount namespaces --- */

/* Work for a child that has entered one. Its descriptors are from before. */
struct visit {
	int proc;  /* the host's /proc */
	int root;  /* the container's, as its init has it */
	int mount; /* to be moved to @at, or -1 */
	const char *at;
	struct mountinfo_place trees;      /* <Pool>/containers */
	struct mountinfo_place ramdisk;    /* <RuntimeDirectory>/ramdisk */
	const struct mountinfo_rule *rule; /* what may stay */
	struct {
		int r;
		unsigned gone, lazy, busy; /* taken away; of those, in use; that could not be */
	} * out;                           /* shared */
};

static uint64_t mount_at(int dir, const char *name)
{
	struct statx x;

	return statx(dir, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID,
		       &x) < 0
		       ? 0
		       : x.stx_mnt_id;
}

/* A name in a directory, on which a mount lies. */
struct spot {
	int dir;
	char name[NAME_MAX + 1];
	uint64_t id; /* what is seen there, which may not be what was looked for */
};

static void spot_done(struct spot *s)
{
	s->dir = closefd(s->dir);
}
#define _cleanup_spot_ _cleanup_(spot_done)

/* Walk to @point, and remember where the last mount on the way began: what was looked for, or what
 * covers it. No link is followed, so that this is the place that the kernel has called by that name, or
 * an error. */
static int find_spot(const char *point, struct spot *ret)
{
	_cleanup_(closep) int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id = dir < 0 ? 0 : mount_at(dir, ""), there;

	while (dir >= 0 && *(point += strspn(point, "/"))) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(point, "/");
		int next;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, point);
		there = len < sizeof(name) ? mount_at(dir, name) : 0;
		if (there == 0)
			break; /* a cover has no such directory */
		if (there != id) {
			spot_done(ret);
			ret->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
			ret->id = id = there;
			strcpy(ret->name, name);
		}
		next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		closefd(dir);
		dir = next;
		point += len;
	}
	return ret->dir < 0 ? -ENOENT : 0;
}

static bool is_above(const struct mountinfo *list, const struct mountinfo_entry *e, uint64_t id)
{
	for (size_t i = 0; e && i <= list->n; i++) {
		if (e->parent == id)
			return true;
		e = e->parent == e->id ? NULL : mountinfo_find(list, e->parent);
	}
	return false;
}

/* One that is in use is detached: whoever is in it keeps what he has open, and nobody comes in. What the
 * container has mounted over it, or over a directory above it, goes first: else it would only have to
 * take that off again. By its directory, and not by a path that can be made to lead elsewhere: what is a
 * mount point can't be renamed. */
static void take_away(const struct visit *v, const struct mountinfo *list, size_t which)
{
	const struct mountinfo_entry *e = &list->at[which];

	for (unsigned i = 0; i < COVERS_MAX; i++) {
		_cleanup_spot_ struct spot spot = { .dir = -1 };
		bool used = true;

		if (find_spot(e->point, &spot) < 0 || is_above(list, e, spot.id) ||
			fchdir(spot.dir) < 0)
			return;
		if (spot.id == e->id)
			used = umount2(spot.name, UMOUNT_NOFOLLOW) < 0;
		if (used && umount2(spot.name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return;
		if (spot.id == e->id) {
			v->out->gone++;
			v->out->lazy += used;
			return;
		}
	}
}

static bool must_go(const struct visit *v, const struct mountinfo_entry *e)
{
	return mountinfo_is_ours(e, v->rule) && !mountinfo_may_stay(e, v->rule);
}

static void sweep(const struct visit *v)
{
	_cleanup_mountinfo_ struct mountinfo list = {}, after = {};

	if (mountinfo_read(v->proc, "self", &list) < 0) {
		v->out->busy++; /* nobody knows, so nobody may say that it is gone */
		return;
	}
	for (size_t i = list.n; i-- > 0;) /* the last made is the first to go */
		if (must_go(v, &list.at[i]))
			take_away(v, &list, i);
	if (mountinfo_read(v->proc, "self", &after) < 0) {
		v->out->busy++;
		return;
	}
	for (size_t i = 0; i < after.n; i++)
		v->out->busy += must_go(v, &after.at[i]);
}

static int put(const struct visit *v)
{
	_cleanup_(closep) int at = -1;
	int r = path_open_in_root(
		v->root, v->at + strspn(v->at, "/"), O_PATH | O_DIRECTORY, 0, &at);

	if (r < 0)
		return r;
	return move_mount(v->mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
			       0
		       ? -errno
		       : 0;
}

static int visit(const struct visit *v, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);
	_cleanup_(closep) int ns = open(path, O_RDONLY | O_CLOEXEC);
	pid_t parent = getpid(), child;

	if (ns < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		become_child(parent, ns, v->proc, v->root, v->mount);
		v->out->r = setns(ns, CLONE_NEWNS) < 0 ? -errno : 0;
		if (v->out->r == 0 && v->mount >= 0)
			v->out->r = put(v);
		else if (v->out->r == 0)
			sweep(v);
		_exit(0);
	}
	if (child < 0)
		return -errno;
	(void)waitpid(child, NULL, 0);
	return v->out->r;
}

/* --- one wish --- */

static bool is_same_directory(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* What the container has there is this very directory, mounted as it should be: the mount's id, or 0. */
static uint64_t find_there(int root, const char *at, int source, bool readonly)
{
	_cleanup_(closep) int there = -1;
	struct statvfs fs;
	struct statx x;
	bool found;

	found = path_open_in_root(root, at + strspn(at, "/"), O_PATH | O_DIRECTORY, 0, &there) ==
			0 &&
		statx(there, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 &&
		(x.stx_attributes & STATX_ATTR_MOUNT_ROOT) && is_same_directory(there, source) &&
		fstatvfs(there, &fs) == 0 && ((fs.f_flag & ST_RDONLY) != 0) == readonly;
	return found ? x.stx_mnt_id : 0;
}

static const char *words_for(int r)
{
	switch (r) {
	case -ENOENT:
		return "the source's directory is not there";
	case -ENOTDIR:
		return "the source's path is no directory";
	case -ELOOP:
	case -EXDEV:
		return "the source's path leads out of the source's root";
	case -EINVAL:
		return "the source's file system can't map ids for the container";
	default:
		return strerror(-r);
	}
}

static json_t *failed(int r, const char *what)
{
	json_t *v = json_pack("{s:b, s:s}", "mounted", 0, "message", what ? what : words_for(r));

	if (!what && (r == -ELOOP || r == -EXDEV))
		(void)json_object_set_new(v, "escape", json_true());
	return v;
}

/* In the root as it lies in the pool, so that no mount of the container's is in the way. */
static int make_point(const struct mounts_target *t, const char *at)
{
	_cleanup_(freep) char *path = xasprintf("%s/containers/%s/rootfs", t->pool, t->id);
	_cleanup_(closep) int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return root < 0 ? -errno : path_make_in_root(root, at, 0755);
}

/* Move it in, where the wish says. A project's ramdisk has its point in the container's own. */
static int move_in(struct visit *v, const struct mounts_target *t, const json_t *wish, int mount)
{
	int r;

	v->at = json_string_value(json_object_get(wish, "at"));
	r = map_of(wish) == MAP_OPTIONAL ? 0 : make_point(t, v->at);
	if (r < 0)
		return r;
	v->mount = mount;
	r = visit(v, t->init);
	v->mount = -1;
	return r;
}

static json_t *mount_one(
	struct visit *v, const struct mounts_target *t, const json_t *wish, uint64_t *ret_id)
{
	bool readonly = json_is_true(json_object_get(wish, "readonly"));
	const char *at = json_string_value(json_object_get(wish, "at"));
	_cleanup_(closep) int source = open_source(t, wish), mount = -1;
	int r;

	*ret_id = 0;
	if (source < 0)
		return failed(source, NULL);
	*ret_id = find_there(v->root, at, source, readonly);
	if (*ret_id)
		return json_pack("{s:b}", "mounted", 1);
	mount = make_mount(t, source, readonly, map_of(wish));
	if (mount < 0)
		return failed(mount, NULL);
	r = move_in(v, t, wish, mount);
	if (r < 0) {
		_cleanup_(freep) char *why =
			xasprintf("%s can't be mounted on in the container: %s", at, strerror(-r));

		return failed(r, why);
	}
	*ret_id = find_there(v->root, at, source, readonly);
	return *ret_id ? json_pack("{s:b, s:b}", "mounted", 1, "new", 1)
		       : failed(-EAGAIN, "the container has moved it away meanwhile");
}

/* --- all of them --- */

/* The mounts that fulfil wishes, by their ids (0: none does): their sources may be in use elsewhere in
 * the container too (bind mounts of its own, namespaces that were copied), as long as they are no freer. */
static void allow(
	struct mountinfo_rule *rule, const struct mountinfo *list, const uint64_t *ids, size_t n)
{
	rule->allowed = xcalloc(n + 1, sizeof(*rule->allowed));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; ids[i] && k < list->n; k++)
			if (list->at[k].id == ids[i])
				rule->allowed[rule->n++] = list->at[k];
}

static uint64_t find_fulfilled(
	const struct visit *v, const struct mounts_target *t, const json_t *wish)
{
	_cleanup_(closep) int source = open_source(t, wish);

	return source < 0 ? 0
			  : find_there(v->root, json_string_value(json_object_get(wish, "at")),
				    source, json_is_true(json_object_get(wish, "readonly")));
}

static bool is_first(const ino_t *seen, size_t n, ino_t ino)
{
	for (size_t i = 0; i < n; i++)
		if (seen[i] == ino)
			return false;
	return true;
}

/* Each mount namespace of the container's once. */
static void sweep_all(struct visit *v, const struct mounts_target *t)
{
	_cleanup_(freep) ino_t *seen = xcalloc(t->n_pids + 1, sizeof(*seen));
	size_t n = 0;
	struct stat st, own;

	if (stat("/proc/self/ns/mnt", &own) < 0)
		return;
	for (size_t i = 0; i <= t->n_pids; i++) {
		pid_t pid = i < t->n_pids ? t->pids[i] : t->init;
		_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);

		if (stat(path, &st) < 0 || st.st_ino == own.st_ino || !is_first(seen, n, st.st_ino))
			continue;
		seen[n++] = st.st_ino;
		(void)visit(v, pid);
	}
}

/* Whatever of ours is not among these goes. */
static int sweep_others(
	struct visit *v, const struct mounts_target *t, const uint64_t *ids, size_t n)
{
	_cleanup_mountinfo_ struct mountinfo list = {};
	_cleanup_(freep) char *pid = xasprintf("%d", (int)t->init);
	struct mountinfo_rule rule = { .self = t->id, .trees = &v->trees, .ramdisk = &v->ramdisk };
	bool dirty = false;
	int r = mountinfo_read(v->proc, pid, &list);

	if (r < 0)
		return r;
	assert(v->out);
	allow(&rule, &list, ids, n);
	v->rule = &rule;
	for (size_t i = 0; i < list.n; i++)
		dirty = dirty || must_go(v, &list.at[i]);
	v->out->busy = 0;
	if (dirty || t->n_pids > 0)
		sweep_all(v, t);
	v->rule = NULL;
	free(rule.allowed);
	return 0;
}

static int open_all(struct visit *v, const struct mounts_target *t)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/root", (int)t->init),
			      *trees = xasprintf("%s/containers", t->pool),
			      *ramdisk = xasprintf("%s/ramdisk", t->run);
	int r;

	v->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	v->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->proc < 0 || v->root < 0)
		return -errno;
	v->out = mmap(
		NULL, sizeof(*v->out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->out == MAP_FAILED) {
		v->out = NULL;
		return -ENOMEM;
	}
	r = mountinfo_place(v->proc, ramdisk, &v->ramdisk);
	return r < 0 && r != -ENOENT ? r : mountinfo_place(v->proc, trees, &v->trees);
}

static void visit_done(struct visit *v)
{
	v->proc = closefd(v->proc);
	v->root = closefd(v->root);
	mountinfo_place_done(&v->trees);
	mountinfo_place_done(&v->ramdisk);
	if (v->out)
		(void)munmap(v->out, sizeof(*v->out));
}

/* What must go goes first, so that what is new finds its place free. */
static int reconcile(
	struct visit *v, const struct mounts_target *t, const json_t *wanted, json_t *result)
{
	size_t n = json_array_size(wanted), i;
	_cleanup_(freep) uint64_t *ids = xcalloc(n + 1, sizeof(*ids));
	json_t *wish;
	int r;

	json_array_foreach((json_t *)(uintptr_t)wanted, i, wish) ids[i] =
		find_fulfilled(v, t, wish);
	r = sweep_others(v, t, ids, n);
	if (r < 0)
		return r;
	json_array_foreach((json_t *)(uintptr_t)wanted, i, wish)(void) json_object_set_new(result,
		json_string_value(json_object_get(wish, "key")), mount_one(v, t, wish, &ids[i]));
	r = sweep_others(v, t, ids, n);
	assert(v->out);
	(void)json_object_set_new(result, "",
		json_pack("{s:i, s:i, s:i}", "gone", (int)v->out->gone, "lazy", (int)v->out->lazy,
			"busy", (int)v->out->busy));
	return r;
}

int mounts_reconcile(
	const struct mounts_target *t, const json_t *wanted, json_t **ret_result, struct err *err)
{
	_cleanup_(visit_done) struct visit v = { .proc = -1, .root = -1, .mount = -1 };
	json_t *result = json_object();
	int r = open_all(&v, t);

	if (r >= 0)
		r = reconcile(&v, t, wanted, result);
	if (r < 0) {
		json_decref(result);
		return err_set(err, r, ERR_INTERNAL, NULL,
			"the container's mounts can't be looked at: %s", strerror(-r));
	}
	*ret_result = result;
	return 0;
}
