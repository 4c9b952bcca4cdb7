/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/treedigest.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "storage/diskerr.h"
#include "storage/path.h"

#define BUFFER    ((size_t)256 * 1024)
#define XATTR_MAX 65536 /* the kernel's bound for a value and for a list (xattr(7)) */

/* A directory on the way down. */
struct level {
	int dir;
	struct path_names names;
	size_t i;
	struct level *up;
};

struct walk {
	crypto_generichash_state hash;
	dev_t device;
	struct level *level;
	char names[XATTR_MAX], value[XATTR_MAX];
	uint8_t data[BUFFER];
};

/* Each piece with its length before it: two trees never give the same bytes. */
static void add(struct walk *w, const void *data, size_t size)
{
	uint64_t length = htole64(size);

	(void)crypto_generichash_update(&w->hash, (const uint8_t *)&length, sizeof(length));
	(void)crypto_generichash_update(&w->hash, data, size);
}

static void add_stat(struct walk *w, const struct stat *st)
{
	/* What a directory's size and count of links are is the file system's own affair. */
	bool is_dir = S_ISDIR(st->st_mode);
	const uint64_t facts[] = { htole64(st->st_mode), htole64(st->st_uid), htole64(st->st_gid),
		htole64(st->st_rdev), is_dir ? 0 : htole64(st->st_size),
		is_dir ? 0 : htole64(st->st_nlink), htole64(st->st_mtim.tv_sec),
		htole64(st->st_mtim.tv_nsec) };

	add(w, facts, sizeof(facts));
}

/* The list's order is the file system's, and stays while nobody writes. */
static int add_attributes(struct walk *w, int dir, const char *name)
{
	char path[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	n = llistxattr(path, w->names, sizeof(w->names));
	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *key = w->names; key < w->names + n; key += strlen(key) + 1) {
		ssize_t size = lgetxattr(path, key, w->value, sizeof(w->value));

		if (size < 0)
			return -errno;
		add(w, key, strlen(key));
		add(w, w->value, (size_t)size);
	}
	return 0;
}

static int add_data(struct walk *w, int dir, const char *name)
{
	_cleanup_(closep) int fd = -1;
	ssize_t n;
	int r = path_open_file(dir, name, &fd);

	if (r < 0)
		return r;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read(fd, w->data, sizeof(w->data))) > 0)
		(void)crypto_generichash_update(&w->hash, w->data, (size_t)n);
	return n < 0 ? -errno : 0;
}

static int add_target(struct walk *w, int dir, const char *name)
{
	ssize_t n = readlinkat(dir, name, (char *)w->data, sizeof(w->data));

	if (n < 0)
		return -errno;
	add(w, w->data, (size_t)n);
	return 0;
}

static int enter(struct walk *w, int dir, const char *name)
{
	struct level *l = xcalloc(1, sizeof(*l));

	l->up = w->level;
	l->dir = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	w->level = l;
	return l->dir < 0 ? -errno : path_list(l->dir, &l->names);
}

static void leave(struct walk *w)
{
	struct level *l = w->level;

	w->level = l->up;
	closefd(l->dir);
	path_names_done(&l->names);
	free(l);
}

static int visit(struct walk *w, int dir, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	add(w, name, strlen(name));
	add_stat(w, &st);
	r = add_attributes(w, dir, name);
	if (r < 0)
		return r;
	if (S_ISREG(st.st_mode))
		return add_data(w, dir, name);
	if (S_ISLNK(st.st_mode))
		return add_target(w, dir, name);
	return S_ISDIR(st.st_mode) && st.st_dev == w->device ? enter(w, dir, name) : 0;
}

static int walk(struct walk *w, int tree)
{
	struct stat st;
	int r = fstat(tree, &st) < 0 ? -errno : 0;

	w->device = st.st_dev;
	if (r == 0)
		r = visit(w, tree, ".");
	while (r >= 0 && w->level) {
		struct level *l = w->level;

		if (l->i < l->names.n) {
			r = visit(w, l->dir, l->names.at[l->i++]);
		} else {
			add(w, "", 0); /* no name: the directory's end */
			leave(w);
		}
	}
	return r;
}

int treedigest_run(int tree, char ret[static TREEDIGEST_HEX + 1], struct err *err)
{
	uint8_t digest[TREEDIGEST_HEX / 2];
	struct walk *w = xcalloc(1, sizeof(*w));
	int r;

	(void)crypto_generichash_init(&w->hash, NULL, 0, sizeof(digest));
	r = walk(w, tree);
	while (w->level)
		leave(w);
	(void)crypto_generichash_final(&w->hash, digest, sizeof(digest));
	(void)sodium_bin2hex(ret, TREEDIGEST_HEX + 1, digest, sizeof(digest));
	free(w);
	return r < 0 ? diskerr_set(err, r, "the tree can't be read") : 0;
}
