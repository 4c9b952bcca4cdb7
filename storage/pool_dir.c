/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees as plain directories, on any file system that holds owners and attributes. */
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/diskerr.h"
#include "storage/path.h"
#include "storage/pool_driver.h"
#include "storage/projquota.h"

static int make(int at, const char *name)
{
	return mkdirat(at, name, 0755) < 0 ? -errno : 0;
}

/* A running container's tree is brought over twice: all of it while it runs, and what has changed
 * meanwhile while it is held. */
static int clone_tree(
	struct treecopy *t, int at, const char *name, const struct pool_hold *hold, struct err *err)
{
	_cleanup_(closep) int to = -1;
	struct timespec began;
	int r = 0;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		to = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r >= 0 && to < 0)
		r = -errno;
	if (r < 0)
		return diskerr_set(err, r, "can't make a directory in the pool");
	(void)clock_gettime(CLOCK_REALTIME, &began);
	t->to = to;
	t->defer_leased = hold != NULL;
	r = treecopy_run(t, err);
	if (r < 0 || !hold)
		return r;
	/* What lies in memory alone is on the disk's side after this, and the rest is quick. */
	(void)syncfs(to);
	hold->freeze(hold->userdata);
	t->files = t->allocated = 0;
	began.tv_sec -= 1; /* a tick is 10 ms at most: this is plenty, and few files are so new */
	t->distrust = began;
	t->defer_leased = false;
	r = treecopy_run(t, err);
	hold->thaw(hold->userdata);
	return r;
}

static int remove_tree(int at, const char *name)
{
	return path_remove_tree(at, name);
}

static int seal(int at, const char *name)
{
	return 0;
}

static int identify(int tree, uint64_t *ret)
{
	struct stat st;

	if (fstat(tree, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

const struct pool_driver pool_dir = { "dir", make, clone_tree, remove_tree, seal, projquota_limit,
	projquota_change, identify, false };
