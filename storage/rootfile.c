/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/rootfile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/block.h"
#include "storage/path.h"

#define TEMPORARY ".hoody-new"

int rootfile_open_folder(int root, const char *folder, int *ret)
{
	return path_open_in_root(root, folder, O_RDONLY | O_DIRECTORY, 0, ret);
}

static int fill(
	int folder, int fd, const char *name, const char *data, size_t size, const struct stat *as)
{
	int r = write_all(fd, data, size);

	if (r < 0)
		return r;
	if (fchown(fd, as->st_uid, as->st_gid) < 0 || fchmod(fd, as->st_mode & 07777) < 0 ||
		fsync(fd) < 0 || renameat(folder, TEMPORARY, folder, name) < 0)
		return -errno;
	return 0;
}

/* Beside and then over it, whatever stood there. Its bytes come first: of the rename alone a power
 * cut would leave an empty file. */
static int replace(
	int folder, const char *name, const char *data, size_t size, const struct stat *as)
{
	_cleanup_(closep) int fd = -1;
	int r;

	(void)unlinkat(folder, TEMPORARY, 0);
	fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(folder, fd, name, data, size, as);
	if (r < 0)
		(void)unlinkat(folder, TEMPORARY, 0);
	return r;
}

int rootfile_replace(int folder, const char *name, const char *data, size_t size, mode_t mode)
{
	return replace(folder, name, data, size, &(struct stat){ .st_mode = mode });
}

int rootfile_rewrite(int folder, const char *name, const char *data, size_t size, mode_t mode)
{
	struct stat st = { .st_mode = mode };

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return -errno;
	return replace(folder, name, data, size, &st);
}

int rootfile_read(int folder, const char *name, char **ret, size_t *ret_size)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *data = NULL;
	struct stat st;
	ssize_t n;
	int r = path_open_file(folder, name, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > ROOTFILE_MAX)
		return -EINVAL;
	data = xcalloc(1, ROOTFILE_MAX + 1);
	n = read_all(fd, data, ROOTFILE_MAX);
	if (n < 0)
		return (int)n;
	*ret_size = (size_t)n;
	*ret = TAKE(data);
	return 0;
}

int rootfile_set_block(int folder, const char *name, const char *body, mode_t mode)
{
	_cleanup_(freep) char *old = NULL, *text = NULL;
	size_t size = 0;
	int r = rootfile_read(folder, name, &old, &size);

	if (r == -ENOENT) {
		old = xstrdup("");
		r = 0;
	}
	assert(r < 0 || old);
	if (r >= 0 && strlen(old) != size)
		r = -EINVAL; /* a NUL: no text */
	if (r >= 0)
		r = block_replace(old, body, &text);
	if (r >= 0 && strlen(text) > ROOTFILE_MAX)
		r = -EFBIG;
	if (r >= 0 && strcmp(text, old) != 0)
		r = rootfile_rewrite(folder, name, text, strlen(text), mode);
	return r;
}
