/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a container's mounts equal to a list of wishes, while it runs or before its init does.
 * First it looks which wishes are fulfilled; then whatever of ours must not be there goes, in
 * each mount namespace that the container's processes are in or hold open; then what is missing
 * is mounted; then it sweeps once more, for what the container has moved about meanwhile.
 *
 * A mount is made of the source as a copy in no namespace, gets its flags and its map of ids,
 * and passes through a child's user namespace, which locks the flags: root of the container
 * can't take them off. Only then it is moved in. Everything in foreign namespaces is done by
 * children (storage/mountvisit.h), so that this process never leaves its own.
 *
 * A wish that can't be fulfilled is told under its key and stops no other. */
#include "storage/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/ident.h"
#include "proto/jsonx.h"
#include "storage/holders.h"
#include "storage/mountinfo.h"
#include "storage/mountvisit.h"
#include "storage/path.h"

#define PLAIN_FLAGS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

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

/* --- a mount of it, with flags that nobody in the container can take off --- */

/* A descriptor on its way between two of our processes. It is sent and not fetched, for
 * pidfd_getfd(2) is nobody's where kernel.yama.ptrace_scope is 3. */
union passed {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct msghdr message(struct iovec *one, union passed *control)
{
	return (struct msghdr){ .msg_iov = one,
		.msg_iovlen = 1,
		.msg_control = control->bytes,
		.msg_controllen = sizeof(control->bytes) };
}

static ssize_t pass(int tell, int fd)
{
	union passed control = {};
	struct iovec one = { &(char){ 0 }, 1 };
	struct msghdr msg = message(&one, &control);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(tell, &msg, MSG_NOSIGNAL);
}

/* In a process of its own that ends with it: namespaces are not left. Never returns. */
static void copy_locked(pid_t parent, int fd, const char *over, int tell)
{
	int copy;

	mountvisit_become_child(parent, fd, tell, -1, -1);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		move_mount(fd, "", AT_FDCWD, over, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
		unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(1);
	copy = open_tree(AT_FDCWD, over, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	_exit(copy < 0 || pass(tell, copy) < 0);
}

static int fetch(int listen)
{
	union passed control = {};
	struct iovec one = { &(char){ 0 }, 1 };
	struct msghdr msg = message(&one, &control);
	const struct cmsghdr *c;
	int fd;

	if (recvmsg(listen, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPERM;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EMFILE; /* there was no number for it (scm_detach_fds, net/core/scm.c) */
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int lock_flags(int fd_of_mount, const char *over)
{
	int ends[2], fd;
	pid_t parent = getpid(), child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		copy_locked(parent, fd_of_mount, over, ends[1]);
	closefd(ends[1]);
	fd = child < 0 ? -errno : fetch(ends[0]);
	closefd(ends[0]);
	if (child > 0 && kill(child, SIGKILL) == 0)
		(void)waitpid(child, NULL, 0);
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

struct work {
	struct mountvisit visit;
	const char *run;                  /* may be mounted over, in a namespace of ours */
	struct mountinfo_place trees;     /* <Pool>/containers */
	struct mountinfo_place *ramdisks; /* below <RuntimeDirectory>/ramdisk */
	size_t n_ramdisks;
	int pool;               /* <Pool>/containers */
	struct holders holders; /* who still has what was taken away */
};

static int visit(const struct work *v, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);
	_cleanup_(closep) int ns = open(path, O_RDONLY | O_CLOEXEC);

	return ns < 0 ? -errno : mountvisit_enter(&v->visit, ns);
}

/* --- one wish --- */

static bool is_same_directory(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* What the container has there is this very directory, mounted as it should be: the mount's id, or
 * 0. */
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
	json_t *v = jsonx_pack("{s:b, s:s}", "mounted", 0, "message", what ? what : words_for(r));

	if (!what && (r == -ELOOP || r == -EXDEV))
		jsonx_set_bool(v, "escape", true);
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
static int move_in(struct work *v, const struct mounts_target *t, const json_t *wish, int mount)
{
	int r;

	v->visit.at = json_string_value(json_object_get(wish, "at"));
	r = map_of(wish) == MAP_OPTIONAL ? 0 : make_point(t, v->visit.at);
	if (r < 0)
		return r;
	v->visit.mount = mount;
	r = visit(v, t->init);
	v->visit.mount = -1;
	return r;
}

static json_t *mount_one(
	struct work *v, const struct mounts_target *t, const json_t *wish, uint64_t *ret_id)
{
	bool readonly = json_is_true(json_object_get(wish, "readonly"));
	const char *at = json_string_value(json_object_get(wish, "at"));
	_cleanup_(closep) int source = open_source(t, wish), mount = -1;
	int r;

	*ret_id = 0;
	if (source < 0)
		return failed(source, NULL);
	*ret_id = find_there(v->visit.root, at, source, readonly);
	if (*ret_id)
		return jsonx_pack("{s:b}", "mounted", 1);
	mount = make_mount(t, source, readonly, map_of(wish));
	if (mount < 0)
		return failed(mount, NULL);
	r = move_in(v, t, wish, mount);
	if (r < 0) {
		_cleanup_(freep) char *why =
			xasprintf("%s can't be mounted on in the container: %s", at, strerror(-r));

		return failed(r, why);
	}
	*ret_id = find_there(v->visit.root, at, source, readonly);
	return *ret_id ? jsonx_pack("{s:b, s:b}", "mounted", 1, "new", 1)
		       : failed(-EAGAIN, "the container has moved it away meanwhile");
}

/* --- all of them --- */

/* The mounts that fulfil wishes, by their ids (0: none does): their sources may be in use elsewhere
 * in the container too (bind mounts of its own, namespaces that were copied), as long as they are
 * no freer. */
static void allow(
	struct mountinfo_rule *rule, const struct mountinfo *list, const uint64_t *ids, size_t n)
{
	rule->allowed = xcalloc(n + 1, sizeof(*rule->allowed));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; ids[i] && k < list->n; k++)
			if (list->at[k].id == ids[i])
				rule->allowed[rule->n++] = list->at[k];
}

static const char *place_of(const json_t *wish)
{
	return json_string_value(json_object_get(wish, "at"));
}

/* @ret_missing: it is not there, and could be. */
static uint64_t find_fulfilled(
	const struct work *v, const struct mounts_target *t, const json_t *wish, bool *ret_missing)
{
	_cleanup_(closep) int source = open_source(t, wish);
	uint64_t id = source < 0 ? 0
				 : find_there(v->visit.root, place_of(wish), source,
					   json_is_true(json_object_get(wish, "readonly")));

	*ret_missing = source >= 0 && id == 0;
	return id;
}

struct spaces {
	struct work *v;
	ino_t *seen;
	size_t n;
};

/* Each mount namespace of the container's once; our own is not one. */
static void sweep_space(int ns, void *userdata)
{
	struct spaces *s = userdata;
	struct stat st;

	if (fstat(ns, &st) < 0)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->seen[i] == st.st_ino)
			return;
	s->seen = xrealloc(s->seen, s->n + 1, sizeof(*s->seen));
	s->seen[s->n++] = st.st_ino;
	assert(s->v->visit.out);
	if (mountvisit_enter(&s->v->visit, ns) < 0)
		s->v->visit.out->busy++; /* nobody knows what is there */
}

/* A copy that is in no namespace is its maker's to change, whoever has made it so. So it is moved
 * into one of ours and detached there, read-only: what is in none any more nobody changes. Never
 * returns. */
static void take_copy(pid_t parent, int fd, const char *over)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	mountvisit_become_child(parent, fd, -1, -1, -1);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		move_mount(fd, "", AT_FDCWD, over, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		_exit(1);
	(void)mount_setattr(AT_FDCWD, over, AT_RECURSIVE, &attr, sizeof(attr));
	(void)umount2(over, MNT_DETACH);
	_exit(0);
}

/* @fd: of any directory in it. */
static void hold_back(int fd, void *userdata)
{
	const struct spaces *s = userdata;
	_cleanup_(closep) int top = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	pid_t parent = getpid(), child;
	struct statx x;

	for (unsigned i = 0; i < PATH_MAX; i++) {
		int up;

		if (top < 0 || statx(top, "", AT_EMPTY_PATH, STATX_INO, &x) < 0)
			return;
		if (x.stx_attributes & STATX_ATTR_MOUNT_ROOT)
			break;
		up = openat(top, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		closefd(top);
		top = up;
	}
	child = fork();
	if (child == 0)
		take_copy(parent, top, s->v->run);
	if (child > 0)
		(void)waitpid(child, NULL, 0);
}

static void sweep_of(struct spaces *s, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);
	_cleanup_(closep) int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns >= 0)
		sweep_space(ns, s);
}

static void sweep_all(struct work *v, const struct mounts_target *t)
{
	struct spaces s = { .v = v, .seen = xcalloc(1, sizeof(*s.seen)) };
	struct stat own;

	if (stat("/proc/self/ns/mnt", &own) == 0) {
		s.seen[s.n++] = own.st_ino;
		for (size_t i = 0; i < t->n_pids; i++)
			sweep_of(&s, t->pids[i]);
		sweep_of(&s, t->init);
		/* One that nobody is in is swept by whoever has it open. */
		if (t->n_pids > 0)
			holders_look(&(struct holders_look){ .proc = v->visit.proc,
					     .trees = v->pool,
					     .pids = t->pids,
					     .n_pids = t->n_pids,
					     .rule = v->visit.rule,
					     .space = sweep_space,
					     .writable = hold_back,
					     .userdata = &s },
				&v->holders);
	}
	free(s.seen);
}

/* Whatever of ours is not among these goes. */
static int sweep_others(
	struct work *v, const struct mounts_target *t, const uint64_t *ids, size_t n)
{
	_cleanup_mountinfo_ struct mountinfo list = {};
	_cleanup_(freep) char *pid = xasprintf("%d", (int)t->init);
	struct mountinfo_rule rule = { .self = t->id,
		.trees = &v->trees,
		.ramdisks = v->ramdisks,
		.n_ramdisks = v->n_ramdisks };
	bool dirty = false;
	int r = mountinfo_read(v->visit.proc, pid, &list);

	if (r < 0)
		return r;
	assert(v->visit.out);
	allow(&rule, &list, ids, n);
	v->visit.rule = &rule;
	for (size_t i = 0; i < list.n; i++)
		dirty = dirty || mountvisit_must_go(&v->visit, &list.at[i]);
	v->visit.out->busy = v->visit.out->overlays = 0;
	if (dirty || t->n_pids > 0)
		sweep_all(v, t);
	v->visit.rule = NULL;
	free(rule.allowed);
	return 0;
}

static int open_all(struct work *v, const struct mounts_target *t)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/root", (int)t->init),
			      *trees = xasprintf("%s/containers", t->pool),
			      *ramdisk = xasprintf("%s/ramdisk", t->run);
	int r;

	v->visit.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	v->visit.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->visit.proc < 0 || v->visit.root < 0)
		return -errno;
	v->visit.out = mmap(NULL, sizeof(*v->visit.out), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->visit.out == MAP_FAILED) {
		v->visit.out = NULL;
		return -ENOMEM;
	}
	v->pool = open(trees, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->pool < 0)
		return -errno;
	r = mountinfo_places_below(v->visit.proc, ramdisk, &v->ramdisks, &v->n_ramdisks);
	return r < 0 ? r : mountinfo_place(v->visit.proc, trees, &v->trees);
}

static void work_done(struct work *v)
{
	v->visit.proc = closefd(v->visit.proc);
	v->visit.root = closefd(v->visit.root);
	v->pool = closefd(v->pool);
	mountinfo_place_done(&v->trees);
	for (size_t i = 0; i < v->n_ramdisks; i++)
		mountinfo_place_done(&v->ramdisks[i]);
	free(v->ramdisks);
	if (v->visit.out)
		(void)munmap(v->visit.out, sizeof(*v->visit.out));
}

static json_t *count(const struct work *v)
{
	const struct holders *h = &v->holders;
	json_t *pids = json_array();
	json_t *json;

	assert(v->visit.out);
	for (size_t i = 0; i < h->n; i++)
		(void)json_array_append_new(pids, json_integer(h->pid[i]));
	json = json_object();
	jsonx_set_int(json, "gone", v->visit.out->gone);
	jsonx_set_int(json, "lazy", v->visit.out->lazy);
	jsonx_set_int(json, "busy", v->visit.out->busy);
	jsonx_set_int(json, "held", h->held);
	jsonx_set_int(json, "writable", h->writable);
	jsonx_set_int(json, "unseen", h->unseen);
	jsonx_set_int(json, "overlays", v->visit.out->overlays);
	jsonx_set(json, "pids", pids);
	return json;
}

static bool is_taken(const json_t *wanted, size_t i)
{
	const json_t *at = json_object_get(json_array_get(wanted, i), "at");
	bool taken = false;

	for (size_t k = 0; !taken && k < i; k++)
		taken = json_equal(json_object_get(json_array_get(wanted, k), "at"), at);
	return taken;
}

struct ranked {
	json_t *wish;
	size_t rank;
};

static int compare_places(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int order = strcmp(place_of(x->wish), place_of(y->wish));

	return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

/* What is below another's place comes after it, and would else be hidden by it; of one place the
 * first stays the first. */
static json_t *by_place(const json_t *wanted)
{
	size_t n = json_array_size(wanted);
	_cleanup_(freep) struct ranked *all = xcalloc(n + 1, sizeof(*all));
	json_t *sorted = json_array();

	for (size_t i = 0; i < n; i++)
		all[i] = (struct ranked){ json_array_get(wanted, i), i };
	qsort(all, n, sizeof(*all), compare_places);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append(sorted, all[i].wish);
	return sorted;
}

static bool is_below(const json_t *wish, const json_t *other)
{
	size_t len = strlen(place_of(other));

	return strncmp(place_of(wish), place_of(other), len) == 0 && place_of(wish)[len] == '/';
}

static bool is_below_any(const json_t *wanted, size_t i, const bool *those)
{
	bool below = false;

	for (size_t k = 0; !below && k < i; k++)
		below = those[k] && is_below(json_array_get(wanted, i), json_array_get(wanted, k));
	return below;
}

/* Which are fulfilled, and stay so. What is mounted above others hides them: those go first, and
 * are mounted again in it. */
static void look(
	const struct work *v, const struct mounts_target *t, const json_t *wanted, uint64_t *ids)
{
	_cleanup_(freep) bool *missing = xcalloc(json_array_size(wanted) + 1, sizeof(*missing));
	const json_t *wish;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)wanted, i, wish) {
		if (is_taken(wanted, i))
			continue;
		ids[i] = find_fulfilled(v, t, wish, &missing[i]);
		if (is_below_any(wanted, i, missing))
			ids[i] = 0;
	}
}

static json_t *refuse_place(const json_t *wish)
{
	_cleanup_(freep) char *why = xasprintf("the container has something else at %s",
		json_string_value(json_object_get(wish, "at")));

	return failed(-EEXIST, why);
}

/* What must go goes first, so that what is new finds its place free. */
static int reconcile(
	struct work *v, const struct mounts_target *t, const json_t *wishes, json_t *result)
{
	_cleanup_json_ json_t *wanted = by_place(wishes);
	size_t n = json_array_size(wanted), i;
	_cleanup_(freep) uint64_t *ids = xcalloc(n + 1, sizeof(*ids));
	json_t *wish;
	int r;

	look(v, t, wanted, ids);
	r = sweep_others(v, t, ids, n);
	if (r < 0)
		return r;
	json_array_foreach(wanted, i, wish)
		jsonx_set(result, json_string_value(json_object_get(wish, "key")),
			is_taken(wanted, i) ? refuse_place(wish) : mount_one(v, t, wish, &ids[i]));
	r = sweep_others(v, t, ids, n);
	jsonx_set(result, "", count(v));
	return r;
}

int mounts_reconcile(
	const struct mounts_target *t, const json_t *wanted, json_t **ret_result, struct err *err)
{
	_cleanup_(work_done) struct work v = {
		.visit = { .proc = -1, .root = -1, .mount = -1 }, .run = t->run, .pool = -1
	};
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
