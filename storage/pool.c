/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/pool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/image.h"
#include "storage/path.h"

static int open_below(int at, const char *name, mode_t mode, int *ret)
{
	int fd;

	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0) { /* whatever the umask made of it */
		closefd(fd);
		return -errno;
	}
	*ret = fd;
	return 0;
}

int pool_open(const char *path, const char *driver, struct pool *ret, struct err *err)
{
	struct pool p = { .fd = -1, .containers = -1 };
	int r = 0;

	if (strcmp(driver, "auto") != 0 && strcmp(driver, "dir") != 0)
		return err_set(err, -ENOTSUP, ERR_NOT_IMPLEMENTED, "Storage.Driver", "the %s driver is not there yet: use dir", driver);
	if (strlen(path) >= sizeof(p.path))
		return err_set(err, -ENAMETOOLONG, ERR_CONFIG, "Storage.Pool", "the pool's path is too long");
	strcpy(p.path, path);
	p.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p.fd < 0)
		r = -errno;
	if (r >= 0)
		r = open_below(p.fd, "containers", 0711, &p.containers);
	if (r < 0) {
		pool_close(&p);
		return err_set(err, r, ERR_INTERNAL, "Storage.Pool", "the pool %s can't be used: %s", path, strerror(-r));
	}
	*ret = p;
	return 0;
}

void pool_close(struct pool *p)
{
	p->containers = closefd(p->containers);
	p->fd = closefd(p->fd);
}

char *pool_root_path(const struct pool *p, const char *id)
{
	return xasprintf("%s/containers/%s/rootfs", p->path, id);
}

static void staging_name(const char *id, char ret[static 48])
{
	(void)snprintf(ret, 48, ".new-%s", id);
}

static void trash_name(const char *id, char ret[static 48])
{
	(void)snprintf(ret, 48, ".trash-%s", id);
}

/* fsync of a directory: its names are durable then. */
static int settle(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

static int fill(struct pool *p, const char *staging, const struct pool_root *what, struct err *err)
{
	_cleanup_(closep) int dir = -1, root = -1;
	int r = open_below(p->containers, staging, 0700, &dir);

	if (r >= 0)
		r = open_below(dir, "rootfs", 0755, &root);
	if (r >= 0 && (fchown(dir, 0, what->id_base) < 0 || fchmod(dir, 0710) < 0))
		r = -errno;
	if (r < 0)
		return err_set(err, r, r == -ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, "Storage.Pool", "can't make the root: %s", strerror(-r));
	r = image_unpack(what->image, root, what->hostname, err);
	if (r < 0)
		return r;
	r = syncfs(root) < 0 ? -errno : settle(dir);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, "Storage.Pool", "the new root can't be made durable: %s", strerror(-r));
	return 0;
}

int pool_create_root(struct pool *p, const struct pool_root *root, struct err *err)
{
	const char *id = root->id;
	char staging[48];
	int r;

	if (faccessat(p->containers, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	staging_name(id, staging);
	r = path_remove_tree(p->containers, staging); /* a killed predecessor's */
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, "Storage.Pool", "a half-made root can't be removed: %s", strerror(-r));
	r = fill(p, staging, root, err);
	if (r < 0)
		return r;
	if (renameat(p->containers, staging, p->containers, id) < 0)
		return err_set(err, -errno, ERR_INTERNAL, "Storage.Pool", "the new root can't be put in place: %s", strerror(errno));
	r = settle(p->containers);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Storage.Pool", "the new root can't be made durable: %s", strerror(-r)) : 0;
}

int pool_remove_root(struct pool *p, const char *id, struct err *err)
{
	char staging[48], trash[48];
	int r;

	staging_name(id, staging);
	trash_name(id, trash);
	r = path_remove_tree(p->containers, trash);
	if (r >= 0 && renameat(p->containers, id, p->containers, trash) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0)
		r = path_remove_tree(p->containers, trash);
	if (r >= 0)
		r = path_remove_tree(p->containers, staging);
	if (r >= 0)
		r = settle(p->containers);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Storage.Pool", "the root can't be removed: %s", strerror(-r)) : 0;
}
