/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_file.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Members of Local.Group read what is in it, whatever the umask of who made it. */
static int make_directory(const char *path)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : -1;
	return chmod(path, 0755);
}

static int open_directory_of(const char *path, const char **ret_name, int *ret_fd, struct err *err)
{
	_cleanup_(freep) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash)
		*slash = '\0';
	if (slash && *dir && make_directory(dir) < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't make %s: %s", dir, strerror(errno));
	fd = open(!slash ? "." : *dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't open %s: %s", dir, strerror(errno));
	*ret_name = slash ? path + (slash - dir) + 1 : path;
	*ret_fd = fd;
	return 0;
}

int ctl_file_prepare(const char *path, struct err *err)
{
	_cleanup_(closep) int dir_fd = -1;
	const char *name = NULL;
	int r = open_directory_of(path, &name, &dir_fd, err);

	if (r == 0 && faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't write %s: %s", path, strerror(errno));
	return r;
}

static int write_and_sync(int fd, const char *text, mode_t mode)
{
	int r = fchmod(fd, mode) < 0 ? -errno : 0; /* whatever the umask */

	if (r >= 0)
		r = write_all(fd, text, strlen(text));
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

int ctl_file_write(const char *path, const char *text, mode_t mode, struct err *err)
{
	_cleanup_(closep) int dir_fd = -1, fd = -1;
	_cleanup_(freep) char *made = NULL;
	const char *name = NULL;
	int r = open_directory_of(path, &name, &dir_fd, err);

	if (r < 0)
		return r;
	made = xasprintf(".%s.%d.new", name, (int)getpid());
	(void)unlinkat(dir_fd, made, 0); /* of a predecessor with our pid */
	fd = openat(dir_fd, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : write_and_sync(fd, text, mode);
	if (r == 0 && renameat(dir_fd, made, dir_fd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, made, 0); /* the first failure is the one to tell */
		return err_set(err, r, ERR_CONFIG, path, "can't write %s: %s", path, strerror(-r));
	}
	return 0;
}

int ctl_file_sync(const char *path, struct err *err)
{
	_cleanup_(closep) int dir_fd = -1, fd = -1;
	const char *name = "";
	int r = open_directory_of(path, &name, &dir_fd, err);

	if (r < 0)
		return r;
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fsync(fd) < 0 || fsync(dir_fd) < 0)
		return err_set(err, -errno, ERR_CONFIG, path, "can't make %s durable: %s", path,
			strerror(errno));
	return 0;
}

int ctl_file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(freep) char *text = NULL;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't read %s: %s", path, strerror(errno));
	text = xcalloc(max + 2, 1);
	n = read_all(fd, text, max + 1);
	if (n < 0)
		return err_set(err, (int)n, ERR_CONFIG, path, "can't read %s: %s", path,
			strerror((int)-n));
	if ((size_t)n > max)
		return err_set(
			err, -EFBIG, ERR_CONFIG, path, "%s is larger than %zu bytes", path, max);
	*ret_size = (size_t)n;
	*ret = TAKE(text);
	return 0;
}
