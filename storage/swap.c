/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/swap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "storage/diskerr.h"

#define NEXT     ".next"
#define NEXT_ID  ".next.id"
#define PREVIOUS ".previous"
#define TRASH    ".trash"

/* 1, 0, or why it can't be told. What can't be told is never taken for a no here: the one tree that
 * there is might be removed for it. */
static int is_there(const struct swap *s, const char *name)
{
	if (faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int rename_to(const struct swap *s, const char *from, const char *to)
{
	return renameat(s->dir, from, s->dir, to) < 0 ? -errno : 0;
}

static int identify(const struct swap *s, const char *name, uint64_t *ret)
{
	_cleanup_(closep) int fd =
		openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : s->driver->identify(fd, ret);
}

static int write_id(const struct swap *s, uint64_t id)
{
	_cleanup_(closep) int fd = openat(
		s->dir, NEXT_ID, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", id);

	return fd < 0 ? -errno : write_all(fd, text, (size_t)n);
}

static int read_id(const struct swap *s, uint64_t *ret)
{
	_cleanup_(closep) int fd = openat(s->dir, NEXT_ID, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	text[n] = '\0';
	return sscanf(text, "%" SCNu64, ret) == 1 ? 0 : -EBADMSG;
}

/* Does the new tree stand in the place? Likewise. */
static int is_exchanged(const struct swap *s)
{
	uint64_t want = 0, have = 0;
	int r = read_id(s, &want);

	if (r >= 0)
		r = identify(s, s->name, &have);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return want == have;
}

static int exchange(const struct swap *s, const char *with)
{
	return renameat2(s->dir, s->name, s->dir, with, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

static int flush(const struct swap *s)
{
	return fsync(s->dir) < 0 ? -errno : 0;
}

bool swap_wants_build(const struct swap *s)
{
	return is_there(s, NEXT) == 0 && is_there(s, PREVIOUS) == 0;
}

/* Its bytes and its identity first, then its name: what is called .next is whole. From there on
 * there are only renames, which every file system's journal keeps in their order: one flush at the
 * end makes all of them durable. */
static int complete(const struct swap *s)
{
	uint64_t id = 0;
	int r = identify(s, SWAP_BUILDING, &id);

	if (r >= 0)
		r = write_id(s, id);
	if (r >= 0 && syncfs(s->dir) < 0)
		r = -errno;
	return r < 0 ? r : rename_to(s, SWAP_BUILDING, NEXT);
}

int swap_commit(const struct swap *s, struct err *err)
{
	int r = swap_wants_build(s) ? complete(s) : 0;

	if (r >= 0)
		r = is_there(s, PREVIOUS);
	if (r == 0) {
		r = is_exchanged(s);
		if (r == 0)
			r = exchange(s, NEXT);
		if (r >= 0)
			r = rename_to(s, NEXT, PREVIOUS);
		if (r >= 0)
			r = flush(s);
	}
	return r < 0 ? diskerr_set(err, r, "can't put the new tree in place") : 0;
}

static int forget(const struct swap *s)
{
	(void)unlinkat(s->dir, NEXT_ID, 0);
	return flush(s);
}

int swap_revert(const struct swap *s, struct err *err)
{
	const char *old = PREVIOUS;
	int r = is_there(s, PREVIOUS);

	if (r == 0) {
		old = NEXT;
		r = is_there(s, NEXT);
	}
	if (r > 0)
		r = is_exchanged(s);
	if (r > 0) {
		r = exchange(s, old);
		if (r >= 0)
			r = flush(s); /* before what stands behind it now is removed */
	}
	/* From here on the old one stands in its place, and all else goes: under the name of what
	 * is in the making, so that no half of it is ever taken for a whole. */
	if (r >= 0)
		r = s->driver->remove(s->dir, SWAP_BUILDING);
	if (r >= 0 && is_there(s, old) > 0)
		r = rename_to(s, old, SWAP_BUILDING);
	if (r >= 0)
		r = s->driver->remove(s->dir, PREVIOUS);
	if (r >= 0)
		r = s->driver->remove(s->dir, NEXT);
	if (r >= 0)
		r = s->driver->remove(s->dir, SWAP_BUILDING);
	if (r >= 0)
		r = forget(s);
	return r < 0 ? diskerr_set(err, r, "can't put the old tree back") : 0;
}

int swap_settle(const struct swap *s, const char *keep, struct err *err)
{
	int r = s->driver->remove(s->dir, TRASH); /* of a predecessor */

	/* One rename, and there is no way back; what then can't be removed is litter, not
	 * damage. */
	if (r >= 0)
		r = is_there(s, PREVIOUS);
	if (r > 0)
		r = rename_to(s, PREVIOUS, keep ? keep : TRASH);
	if (r >= 0)
		r = forget(s);
	if (r < 0)
		return diskerr_set(err, r, "can't let go of the old tree");
	(void)s->driver->remove(s->dir, TRASH);
	return 0;
}
