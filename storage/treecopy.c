/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the tree @to equal to @from, in one walk through both: a stack of levels, each with the
 * sorted names of the two directories, so that what stands in one alone shows itself. What is
 * the same by mode, owner, size, time and attributes stays; all else is cleared and made anew.
 * So a copy that was killed is simply made again, and a second one writes only what differs.
 *
 * A directory's own attributes are set when it is left. Of a file with several names the first
 * copy is held open until all names have come. The source may change meanwhile: what is gone or
 * replaced is not copied, and that is no error; of the target everything is one. At most
 * OPEN_LEVELS levels are open; those above are opened again by "..", and must be the same. Files
 * under a lease are left for a second walk, which waits for it. */
#include "storage/treecopy.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "storage/diskerr.h"
#include "storage/filecopy.h"
#include "storage/hostonly.h"
#include "storage/path.h"

#define LINK_BUCKETS   4096  /* a power of two */
#define XATTR_MAX      65536 /* the kernel's bound for a value and for a list (xattr(7)) */
#define PROGRESS_EVERY (16UL * 1024 * 1024)
#define FILES_EVERY    1024
#define OPEN_LEVELS    64 /* a container makes more in one another than there are descriptors */
/* in all, of POLITE_MS: who gives a lease up when it is told to has done so by then */
#define POLITE_TRIES 400
#define POLITE_MS    5

/* A directory on the way down. */
struct level {
	int from, to;
	bool shut; /* far above: opened again from below, on the way back */
	unsigned depth;
	dev_t target_device;
	ino_t target_ino;
	struct path_names source, target;
	size_t i, k; /* next of each */
	struct stat st;
	struct level *up;
};

/* A file with several names: its first copy, until all of them have come. */
struct link {
	ino_t source, target;
	int fd; /* -1: all of them have */
	nlink_t left;
	struct link *next, *next_target;
};

struct walk {
	struct treecopy *t;
	struct level *level;
	struct link *links[LINK_BUCKETS], *targets[LINK_BUCKETS];
	dev_t device;
	uint64_t told_bytes, told_files;
	uint64_t attributes; /* bytes of them that were written */
	bool wait;           /* for leases that are not given up */
	unsigned polite;     /* tries that were made */
	char names[2][XATTR_MAX], values[2][XATTR_MAX];
	struct err *err;
};

static int fail(struct walk *w, int r, const char *what, const char *name)
{
	return diskerr_set(w->err, r, "can't %s %.120s", what, name);
}

/* --- attributes --- */

/* The l* calls don't follow the last component, and all before it is ours: there is no *at() form
 * before Linux 6.13. */
static void attribute_path(int dir, const char *name, char ret[static PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "/proc/self/fd/%d/%s", dir, name);
}

static int set_attributes(struct walk *w, const char *from, const char *to, ssize_t size)
{
	for (const char *key = w->names[0]; key < w->names[0] + size; key += strlen(key) + 1) {
		if (w->t->no_hostonly && hostonly_is_attribute(key))
			continue;
		ssize_t a = lgetxattr(from, key, w->values[0], XATTR_MAX),
			b = lgetxattr(to, key, w->values[1], XATTR_MAX);

		if (a < 0 && errno == ENODATA)
			continue; /* removed under us */
		if (a < 0)
			return -errno;
		if (a == b && memcmp(w->values[0], w->values[1], (size_t)a) == 0)
			continue;
		if (lsetxattr(to, key, w->values[0], (size_t)a, 0) < 0)
			return -errno;
		w->attributes += strlen(key) + (uint64_t)a;
	}
	return 0;
}

static bool has_name(const char *list, ssize_t size, const char *key)
{
	for (const char *at = list; at < list + size; at += strlen(at) + 1)
		if (strcmp(at, key) == 0)
			return true;
	return false;
}

/* Both the same attributes, or none: what most files have costs two calls. */
static int copy_attributes(struct walk *w, int from, int to, const char *name)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n, m;

	attribute_path(from, name, a);
	attribute_path(to, name, b);
	n = llistxattr(a, w->names[0], XATTR_MAX);
	m = llistxattr(b, w->names[1], XATTR_MAX);
	if (n < 0 || m < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *key = w->names[1]; key < w->names[1] + m; key += strlen(key) + 1)
		if (!has_name(w->names[0], n, key) && lremovexattr(b, key) < 0 && errno != ENODATA)
			return -errno;
	return set_attributes(w, a, b, n);
}

static bool same_attributes(struct walk *w, int from, int to, const char *name)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n, m;

	attribute_path(from, name, a);
	attribute_path(to, name, b);
	n = llistxattr(a, w->names[0], XATTR_MAX);
	m = llistxattr(b, w->names[1], XATTR_MAX);
	if (n <= 0 || n != m)
		return n == m;
	for (const char *key = w->names[0]; key < w->names[0] + n; key += strlen(key) + 1) {
		ssize_t x = lgetxattr(a, key, w->values[0], XATTR_MAX),
			y = lgetxattr(b, key, w->values[1], XATTR_MAX);

		if (x < 0 || x != y || memcmp(w->values[0], w->values[1], (size_t)x) != 0)
			return false;
	}
	return true;
}

/* Owner first, since it takes setuid and capabilities away; times last. */
static int set_all(struct walk *w, int from, int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	r = copy_attributes(w, from, to, name);
	if (r < 0)
		return r;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* --- files --- */

static void tell(struct walk *w)
{
	struct treecopy *t = w->t;

	if (!t->progress || (t->bytes - w->told_bytes < PROGRESS_EVERY &&
				    t->files - w->told_files < FILES_EVERY))
		return;
	w->told_bytes = t->bytes;
	w->told_files = t->files;
	t->progress(t, t->userdata);
}

static void on_data(uint64_t bytes, void *userdata)
{
	struct walk *w = userdata;

	w->t->bytes += bytes;
	tell(w);
}

/* All leases of a tree are on their way to be broken before one is waited for: else each would have
 * the kernel's 45 seconds for itself. */
static int open_source(struct walk *w, int from, const char *name, int *ret)
{
	int r = w->wait ? path_open_file(from, name, ret) : path_try_file(from, name, ret);

	for (; r == -EAGAIN && w->polite < POLITE_TRIES; w->polite++) {
		(void)poll(NULL, 0, POLITE_MS);
		r = path_try_file(from, name, ret);
	}
	return r;
}

static int make_file(struct walk *w, int from, int to, const char *name, struct stat *st)
{
	_cleanup_(closep) int in = -1, out = -1;
	int r = open_source(w, from, name, &in);

	if (r < 0)
		return r == -EINVAL || r == -ELOOP ? -ESTALE : r; /* another one stands there now */
	if (fstat(in, st) < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	return filecopy_data(in, out, st->st_size, on_data, w);
}

static int make_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int make(struct walk *w, int from, int to, const char *name, struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return make_file(w, from, to, name, st);
	case S_IFLNK:
		return make_link(from, to, name);
	case S_IFDIR:
		return mkdirat(to, name, 0700) < 0 ? -errno : 0;
	default:
		return mknodat(to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ? -errno
											 : 0;
	}
}

static int clear(int to, const char *name, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return path_remove_tree(to, name);
	return unlinkat(to, name, 0) < 0 ? -errno : 0;
}

/* --- hard links --- */

static struct link *find_link(const struct walk *w, ino_t source)
{
	struct link *l = w->links[source & (LINK_BUCKETS - 1)];

	while (l && l->source != source)
		l = l->next;
	return l;
}

/* Is it the copy of another file already? */
static bool is_claimed(const struct walk *w, ino_t target)
{
	const struct link *l = w->targets[target & (LINK_BUCKETS - 1)];

	while (l && l->target != target)
		l = l->next_target;
	return l;
}

static int remember_link(struct walk *w, int to, const char *name, const struct stat *st)
{
	_cleanup_(closep) int fd = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat target;
	struct link *l;

	if (fd < 0 || fstat(fd, &target) < 0)
		return -errno;
	l = xcalloc(1, sizeof(*l));
	*l = (struct link){ .source = st->st_ino,
		.target = target.st_ino,
		.left = st->st_nlink - 1,
		.fd = take_fd(&fd),
		.next = w->links[st->st_ino & (LINK_BUCKETS - 1)],
		.next_target = w->targets[target.st_ino & (LINK_BUCKETS - 1)] };
	w->links[st->st_ino & (LINK_BUCKETS - 1)] = l;
	w->targets[target.st_ino & (LINK_BUCKETS - 1)] = l;
	return 0;
}

/* Another name of what has been copied already. */
static int join_link(
	struct walk *w, struct link *l, int to, const char *name, const struct stat *target)
{
	int r = 0;

	if (!target || target->st_ino != l->target) {
		r = target ? clear(to, name, target) : 0;
		if (r == 0 && linkat(l->fd, "", to, name, AT_EMPTY_PATH) < 0)
			r = -errno;
		w->t->changed++;
	}
	if (l->left > 0 && --l->left == 0)
		l->fd = closefd(l->fd);
	return r;
}

static void links_done(struct walk *w)
{
	for (size_t i = 0; i < LINK_BUCKETS; i++)
		while (w->links[i]) {
			struct link *l = w->links[i];

			w->links[i] = l->next;
			closefd(l->fd);
			free(l);
		}
}

/* --- one entry --- */

static bool is_distrusted(const struct treecopy *t, const struct stat *st)
{
	return t->distrust.tv_sec != 0 && S_ISREG(st->st_mode) &&
	       (st->st_ctim.tv_sec > t->distrust.tv_sec ||
		       (st->st_ctim.tv_sec == t->distrust.tv_sec &&
			       st->st_ctim.tv_nsec >= t->distrust.tv_nsec));
}

static bool same(struct walk *w, int from, int to, const char *name, const struct stat *a,
	const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
		a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
		a->st_mtim.tv_nsec != b->st_mtim.tv_nsec || a->st_rdev != b->st_rdev ||
		(!S_ISDIR(a->st_mode) && a->st_size != b->st_size) || is_distrusted(w->t, a))
		return false;
	if (!S_ISDIR(a->st_mode) && (a->st_nlink > 1 ? is_claimed(w, b->st_ino) : b->st_nlink > 1))
		return false; /* shares its data with a name that it must not share it with */
	if (S_ISLNK(a->st_mode)) {
		char x[PATH_MAX], y[PATH_MAX];
		ssize_t n = readlinkat(from, name, x, sizeof(x));

		if (n < 0 || n != readlinkat(to, name, y, sizeof(y)) ||
			memcmp(x, y, (size_t)n) != 0)
			return false;
	}
	return same_attributes(w, from, to, name);
}

static void shut_far_above(struct level *l)
{
	if (l->depth < OPEN_LEVELS)
		return;
	for (unsigned i = 0; i < OPEN_LEVELS; i++)
		l = l->up;
	l->from = closefd(l->from);
	l->to = closefd(l->to);
	l->shut = true;
}

static int open_above(int dir, dev_t device, ino_t ino)
{
	_cleanup_(closep) int fd = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == device && st.st_ino == ino ? take_fd(&fd) : -ESTALE;
}

/* Somebody can have moved what is below in the source: then the rest of it is left as it is, as is
 * all else that changes while we look. Of the target that is an error. */
static int open_up(struct level *l)
{
	struct level *up = l->up;

	if (!up || !up->shut)
		return 0;
	up->shut = false;
	up->to = l->to < 0 ? -1 : open_above(l->to, up->target_device, up->target_ino);
	up->from = l->from < 0 ? -1 : open_above(l->from, up->st.st_dev, up->st.st_ino);
	if (up->from < 0) {
		up->i = up->source.n;
		up->k = up->target.n;
	}
	return l->to >= 0 && up->to < 0 ? up->to : 0;
}

/* Nothing is entered where it has gone meanwhile. */
static int enter(struct walk *w, int from, int to, const char *name, const struct stat *st)
{
	_cleanup_(closep) int dir =
		openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct level *l;
	struct stat seen, target;
	int r = 0;

	if (dir < 0)
		return -errno;
	l = xcalloc(1, sizeof(*l));
	l->st = *st;
	l->up = w->level;
	l->depth = l->up ? l->up->depth + 1 : 0;
	w->level = l;
	l->from = take_fd(&dir);
	l->to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->to < 0 || fstat(l->from, &seen) < 0 || fstat(l->to, &target) < 0)
		return -errno;
	l->target_device = target.st_dev;
	l->target_ino = target.st_ino;
	shut_far_above(l);
	if (seen.st_dev == w->device)
		r = path_list(l->from, &l->source);
	return r < 0 ? r : path_list(l->to, &l->target);
}

/* @target NULL: there is none yet. */
static int bring(struct walk *w, const char *name, struct stat *st, const struct stat *target)
{
	struct level *l = w->level;
	bool linked = !S_ISDIR(st->st_mode) && st->st_nlink > 1, kept;
	struct link *link = linked ? find_link(w, st->st_ino) : NULL;
	int r = 0;

	if (link && link->fd >= 0)
		return join_link(w, link, l->to, name, target);
	kept = target && (S_ISDIR(st->st_mode) ? S_ISDIR(target->st_mode)
					       : same(w, l->from, l->to, name, st, target));
	if (target && !kept)
		r = clear(l->to, name, target);
	if (r == 0 && !kept) {
		w->t->changed++;
		r = make(w, l->from, l->to, name, st);
		if (r == 0 && !S_ISDIR(st->st_mode))
			r = set_all(w, l->from, l->to, name, st);
	}
	if (r == 0 && linked && !link)
		r = remember_link(w, l->to, name, st);
	return r == 0 && S_ISDIR(st->st_mode) ? enter(w, l->from, l->to, name, st) : r;
}

/* Gone, or another thing under the same name: it changed while we looked, and is not copied. */
static bool is_race(int r)
{
	return r == -ENOENT || r == -ESTALE || r == -ENOTDIR || r == -ELOOP;
}

static bool is_beyond(const struct walk *w, const struct stat *st)
{
	const struct treecopy *t = w->t;
	uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;

	return (t->max_files > 0 && t->files > t->max_files) ||
	       (t->max_bytes > 0 && t->bytes + w->attributes + size > t->max_bytes);
}

static int judge_owner(struct walk *w, const char *name, const struct stat *st)
{
	uint32_t max = w->t->max_id;

	return max == 0 || (st->st_uid <= max && st->st_gid <= max)
		       ? 0
		       : err_set(w->err, -ERANGE, ERR_IMAGE_INVALID, "image",
				 "%.120s: its owner %u:%u: a container has the ids 0 to %u", name,
				 st->st_uid, st->st_gid, max);
}

static int visit(struct walk *w, const char *name, bool has_target)
{
	struct level *l = w->level;
	struct stat st, target;
	int r;

	if (fstatat(l->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(w, -errno, "look at", name);
	if (has_target && fstatat(l->to, name, &target, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w, -errno, "look at", name);
	w->t->files++;
	w->t->allocated += (uint64_t)st.st_blocks * 512;
	tell(w);
	if (is_beyond(w, &st))
		return fail(w, -EFBIG, "copy", name);
	r = judge_owner(w, name, &st);
	if (r < 0 || (w->t->no_hostonly && hostonly_is_device(st.st_mode, st.st_rdev)))
		return r;
	r = bring(w, name, &st, has_target ? &target : NULL);
	if (r == -EAGAIN && !w->wait) {
		w->t->leased++;
		return 0;
	}
	if (is_race(r) && w->level == l) {
		r = fstatat(l->to, name, &target, AT_SYMLINK_NOFOLLOW) < 0
			    ? 0
			    : clear(l->to, name, &target);
	}
	return r < 0 ? fail(w, r, "copy", name) : 0;
}

/* --- the walk --- */

/* A directory's own attributes, when nothing in it will change any more. */
static int leave(struct walk *w)
{
	struct level *l = w->level;
	int r = 0;
	struct stat now;

	if (l->from >= 0 && l->to >= 0) {
		if (fstat(l->to, &now) < 0)
			r = -errno;
		else if (!same(w, l->from, l->to, ".", &l->st, &now))
			r = set_all(w, l->from, l->to, ".", &l->st);
	}
	if (r == 0)
		r = open_up(l);
	w->level = l->up;
	closefd(l->from);
	closefd(l->to);
	path_names_done(&l->source);
	path_names_done(&l->target);
	free(l);
	return r < 0 ? fail(w, r, "finish", "a directory") : 0;
}

/* Both lists are sorted: what stands in one alone shows itself. */
static int step(struct walk *w)
{
	struct level *l = w->level;
	const char *a = l->i < l->source.n ? l->source.at[l->i] : NULL,
		   *b = l->k < l->target.n ? l->target.at[l->k] : NULL;
	bool both = a && b && strcmp(a, b) == 0;
	struct stat st;
	int r;

	if (a && (both || !b || strcmp(a, b) < 0)) {
		l->i++;
		l->k += both;
		return visit(w, a, both);
	}
	assert(b);
	l->k++;
	r = fstatat(l->to, b, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : clear(l->to, b, &st);
	return r < 0 && r != -ENOENT ? fail(w, r, "remove", b) : 0;
}

static int run(struct treecopy *t, bool wait, struct err *err)
{
	struct walk *w = xcalloc(1, sizeof(*w));
	struct stat st, target;
	int r;

	w->t = t;
	w->err = err;
	w->wait = wait;
	r = fstat(t->from, &st) < 0 || fstat(t->to, &target) < 0 ? -errno : 0;
	if (r == 0) {
		w->device = st.st_dev;
		r = enter(w, t->from, t->to, ".", &st);
	}
	r = r < 0 ? fail(w, r, "open", "the tree") : judge_owner(w, ".", &st);
	while (r == 0 && w->level) {
		struct level *l = w->level;

		r = l->i < l->source.n || l->k < l->target.n ? step(w) : leave(w);
	}
	w->err = NULL; /* the first error stands */
	while (w->level)
		(void)leave(w);
	links_done(w);
	free(w);
	return r;
}

int treecopy_run(struct treecopy *t, struct err *err)
{
	uint64_t files = t->files, allocated = t->allocated;
	int r;

	t->leased = 0;
	r = run(t, false, err);
	if (r < 0 || t->leased == 0 || t->defer_leased)
		return r;
	t->files = files;
	t->allocated = allocated;
	t->leased = 0;
	return run(t, true, err);
}
