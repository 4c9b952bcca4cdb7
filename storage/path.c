/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name that a tenant may influence is resolved by the kernel, by openat2(2) from a descriptor
 * that we hold: so it can't lead out, whoever renames what on the way. What the kernel gives up
 * for such a race (EAGAIN) is tried again, RACES_MAX times at most.
 *
 * Files are first opened with O_PATH, which wakes no device and waits for no pipe; what is seen
 * to be a regular file is opened again through that descriptor, so that it can't be another one
 * by then. Directories on the way to a mount's place are made one by one, each below the root as
 * it is resolved then.
 *
 * A tree is removed without recursion and with few descriptors: what lies deep is moved up below
 * its top, again and again, until nothing is left. */
#include "storage/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NAMES_GROW 64
/* EAGAIN: somebody renamed or mounted, anywhere on the host, while a ".." was followed. A try takes
 * some 2 us, and beside many who do nothing else most are in vain. */
#define RACES_MAX 4096

static int open_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < RACES_MAX; i++) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int path_open_tree(const char *path, int *ret, int *ret_mount)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NOEXEC };
	_cleanup_(closep) int mount = open_tree(AT_FDCWD, path,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	int fd;

	if (mount < 0 ||
		mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	*ret_mount = take_fd(&mount);
	return 0;
}

int path_open_beneath(int root, const char *path, int flags, mode_t mode, int *ret)
{
	int fd = open_how(root, path, flags, mode, RESOLVE_BENEATH);

	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

int path_open_in_root(int root, const char *path, int flags, mode_t mode, int *ret)
{
	int fd = open_how(root, path, flags, mode, RESOLVE_IN_ROOT);

	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

static int reopen(int seen, int flags, int *ret)
{
	char again[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int fd;

	if (fstat(seen, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
	fd = open(again, O_RDONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Of a regular file, only a lease can make us wait: until the kernel breaks it. */
int path_reopen_file(int seen, int *ret)
{
	return reopen(seen, 0, ret);
}

int path_open_file(int dir, const char *name, int *ret)
{
	_cleanup_(closep) int seen = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return seen < 0 ? -errno : reopen(seen, 0, ret);
}

int path_try_file(int dir, const char *name, int *ret)
{
	_cleanup_(closep) int seen = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return seen < 0 ? -errno : reopen(seen, O_NONBLOCK, ret);
}

/* Others may have put something else in its place by now: by its name, a link's target on the host
 * would get the mode (fchmodat(2) follows it). */
static int set_mode(int dir, const char *leaf, mode_t mode)
{
	_cleanup_(closep) int made =
		openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return made < 0 || fchmod(made, mode) < 0 ? -errno : 0;
}

/* Below @parent, which is taken on @ret's behalf: the directory, made if it is missing. */
static int make_one(int root, const char *path, const char *parent_end, mode_t mode)
{
	_cleanup_(freep) char *parent = xasprintf("%.*s", (int)(parent_end - path), path);
	_cleanup_(closep) int dir = -1;
	const char *name = parent_end + strspn(parent_end, "/");
	_cleanup_(freep) char *leaf = xasprintf("%.*s", (int)strcspn(name, "/"), name);
	int r = path_open_in_root(root, *parent ? parent : ".", O_RDONLY | O_DIRECTORY, 0, &dir);

	if (r < 0)
		return r;
	if (mkdirat(dir, leaf, mode) == 0)
		return set_mode(dir, leaf, mode); /* because of our umask */
	return errno == EEXIST ? 0 : -errno;
}

int path_make_in_root(int root, const char *path, mode_t mode)
{
	_cleanup_(closep) int made = -1;
	int r = 0;

	path += strspn(path, "/");
	for (const char *at = path; *at && r >= 0;) {
		r = make_one(root, path, at, mode);
		at += strspn(at, "/");
		at += strcspn(at, "/");
		if (!at[strspn(at, "/")])
			break;
	}
	return r < 0 ? r : path_open_in_root(root, path, O_PATH | O_DIRECTORY, 0, &made);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int path_list(int dir, struct path_names *ret)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		r = -errno;
		closefd(copy);
		return r;
	}
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (ret->n == ret->allocated) {
			ret->allocated = ret->allocated ? ret->allocated * 2 : NAMES_GROW;
			ret->at = xrealloc(ret->at, ret->allocated, sizeof(*ret->at));
		}
		ret->at[ret->n++] = xstrdup(e->d_name);
	}
	r = -errno;
	(void)closedir(d);
	if (ret->n > 1)
		qsort(ret->at, ret->n, sizeof(*ret->at), compare_names);
	return r;
}

void path_names_done(struct path_names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->at[i]);
	free(n->at);
	*n = (struct path_names){};
}

/* Delete what can be deleted in @dir at once; move directories that are not empty up into @top, so
 * that depth never grows. */
static int empty_level(int top, int dir, unsigned *serial, bool *ret_again)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		closefd(copy);
		return -errno;
	}
	rewinddir(d);
	while (r == 0 && (e = readdir(d))) {
		char up[32];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			break;
		}
		if (unlinkat(dir, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST) {
			r = -errno;
			break;
		}
		*ret_again = true;
		if (dir == top)
			continue;
		do
			(void)snprintf(up, sizeof(up), ".up-%u", (*serial)++);
		while (faccessat(top, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
		if (renameat(dir, e->d_name, top, up) < 0)
			r = -errno;
	}
	(void)closedir(d);
	return r;
}

/* One pass over the directories that lie in @top: empty each; what was deep is then in @top and
 * waits for the next pass. */
static int pass(int top, unsigned *serial, bool *ret_again)
{
	int copy = fcntl(top, F_DUPFD_CLOEXEC, 3), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		closefd(copy);
		return -errno;
	}
	rewinddir(d);
	while (r == 0 && (e = readdir(d))) {
		_cleanup_(closep) int dir = -1;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		dir = openat(top, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		r = empty_level(top, dir, serial, ret_again);
		if (r == 0 && unlinkat(top, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
			errno != ENOTEMPTY && errno != EEXIST)
			r = -errno;
	}
	(void)closedir(d);
	return r;
}

int path_remove_tree(int parent, const char *name)
{
	_cleanup_(closep) int top =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	unsigned serial = 0;
	bool again = true;

	if (top < 0)
		return errno == ENOENT ? 0 : -errno;
	while (again) {
		int r;

		again = false;
		r = empty_level(top, top, &serial, &again);
		if (r == 0 && again)
			r = pass(top, &serial, &again);
		if (r < 0)
			return r;
	}
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
