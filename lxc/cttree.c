/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/cttree.h"

#include <dirent.h>
#include <fcntl.h>

#define OPEN_DIR   (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
#define LEVELS_NEW 64

struct level {
	char *name; /* of the child that we are in */
	long at;    /* where its parent is gone on with */
};

struct walk {
	DIR *dir;
	struct level *levels;
	size_t depth, room;
};

static void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->depth; i++)
		free(w->levels[i].name);
	free(w->levels);
	if (w->dir)
		(void)closedir(w->dir);
}

/* Takes @fd. */
static int move_to(struct walk *w, int fd)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = d ? 0 : -errno;

	if (!d) {
		closefd(fd);
		return r;
	}
	if (w->dir)
		(void)closedir(w->dir);
	w->dir = d;
	return 0;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

/* A group may well have a hidden name: liblxc attaches to one, ".lxc". */
static bool is_group(const struct dirent *e)
{
	return e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* 1: in the next child; 0: there is none any more; negative: can't be told. */
static int go_down(struct walk *w)
{
	struct dirent *e;

	assert(w->dir);
	while (errno = 0, (e = readdir(w->dir))) {
		struct level l;
		int r;

		if (!is_group(e))
			continue;
		l = (struct level){ .name = xstrdup(e->d_name), .at = telldir(w->dir) };
		r = move_to(w, openat(dirfd(w->dir), e->d_name, OPEN_DIR));
		if (r < 0) {
			free(l.name);
			if (is_gone(r))
				continue;
			return r;
		}
		if (w->depth == w->room) {
			w->room += LEVELS_NEW + w->room;
			w->levels = xrealloc(w->levels, w->room, sizeof(*w->levels));
		}
		w->levels[w->depth++] = l;
		return 1;
	}
	return is_gone(-errno) ? 0 : -errno;
}

static int go_up(struct walk *w, bool clear)
{
	struct level *l = &w->levels[w->depth - 1];
	int r = move_to(w, openat(dirfd(w->dir), "..", OPEN_DIR));

	if (r < 0)
		return r;
	w->depth--;
	seekdir(w->dir, l->at);
	if (clear && unlinkat(dirfd(w->dir), l->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	free(l->name);
	return r;
}

static int walk(int fd, int (*each)(int dir, void *userdata), void *userdata)
{
	_cleanup_(walk_done) struct walk w = {};
	int r = move_to(&w, fd);

	if (is_gone(r))
		return 0;
	while (r >= 0) {
		r = each ? each(dirfd(w.dir), userdata) : 0;
		if (r != 0)
			return r;
		while ((r = go_down(&w)) == 0 && w.depth > 0) {
			r = go_up(&w, /* clear= */ !each);
			if (r < 0)
				return r;
		}
		if (r == 0)
			return 0;
	}
	return r;
}

int cttree_walk(int fd, int (*each)(int dir, void *userdata), void *userdata)
{
	return walk(fd, each, userdata);
}

int cttree_clear(int fd)
{
	return walk(fd, NULL, NULL);
}
