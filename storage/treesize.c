/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/treesize.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define DEPTH_MAX 256 /* each is a descriptor and a frame */
#define OPEN_DIR  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct sum {
	dev_t device;
	int64_t bytes;
	uint64_t n, max;
	bool more; /* than it looks at */
};

static bool is_itself(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes @fd. */
static int add_up(int fd, unsigned depth, struct sum *s)
{
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!d) { /* gone meanwhile, or something else by now */
		r = errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
		closefd(fd);
		return r;
	}
	while (r >= 0 && s->n < s->max && (errno = 0, e = readdir(d))) {
		if (is_itself(e->d_name) ||
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			st.st_dev != s->device)
			continue;
		s->n++;
		if (st.st_nlink > 0)
			s->bytes += (int64_t)st.st_blocks * 512 /
				    (S_ISDIR(st.st_mode) ? 1 : (int64_t)st.st_nlink);
		if (S_ISDIR(st.st_mode) && depth >= DEPTH_MAX)
			s->more = true; /* who hides it there hides no more than that */
		else if (S_ISDIR(st.st_mode))
			r = add_up(openat(dirfd(d), e->d_name, OPEN_DIR), depth + 1, s);
	}
	if (r >= 0 && s->n < s->max)
		r = -errno; /* readdir(3): its end, or an error */
	(void)closedir(d);
	return r;
}

int treesize_run(int fd, uint64_t files_max, int64_t *ret_bytes)
{
	struct sum s = { .max = files_max };
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		closefd(fd);
		return r;
	}
	s.device = st.st_dev;
	r = add_up(fd, 0, &s);
	if (r < 0)
		return r;
	*ret_bytes = s.bytes;
	return s.more || s.n >= s.max ? -E2BIG : 0;
}
