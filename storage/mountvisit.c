/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child enters the namespace, and does there the one thing: puts the mount in its place, or
 * sweeps. A sweep reads the list of mounts and walks to each that must go by the name that the list
 * gives it, opens its root, and detaches by that descriptor; and again, until the list has none.
 * Between the list, the walk and the descriptor others may rename what is on the way: a mount's id
 * (statx(2)) tells whether it is the one. */
#include "storage/mountvisit.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "proto/clock.h"
#include "storage/path.h"

#define COVERS_MAX 4096              /* that are taken off one mount */
#define TRIES_MAX  8                 /* for one that isn't where the list has it */
#define LOOKS_MAX  64                /* at another list, which takes ten times as long */
#define LOOKS_US   (5 * 1000 * 1000) /* a renamer keeps each walk waiting for a lock */

/* --- children --- */

void mountvisit_become_child(pid_t parent, int a, int b, int c, int d)
{
	int keep[] = { a, b, c, d };
	unsigned from = STDERR_FILENO + 1;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < countof(keep); i++) { /* the smallest that is left */
		size_t least = countof(keep);

		for (size_t k = 0; k < countof(keep); k++)
			if (keep[k] >= (int)from &&
				(least == countof(keep) || keep[k] < keep[least]))
				least = k;
		if (least == countof(keep))
			break;
		if ((unsigned)keep[least] > from)
			(void)close_range(from, (unsigned)keep[least] - 1, 0);
		from = (unsigned)keep[least] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

/* --- what is there goes --- */

static uint64_t mount_of(int fd)
{
	struct statx x;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ? 0 : x.stx_mnt_id;
}

/* A name in a directory, on which a mount lies. */
struct spot {
	int dir;
	char name[NAME_MAX + 1];
	int root;    /* of the mount that is seen there, */
	uint64_t id; /* which may not be the one that was looked for */
};

static void spot_done(struct spot *s)
{
	s->dir = closefd(s->dir);
	s->root = closefd(s->root);
}
#define _cleanup_spot_ _cleanup_(spot_done)

/* Walk to @point, and remember where the last mount on the way began: what was looked for, or what
 * covers it. No link is followed, so that this is the place that the kernel has called by that
 * name, or an error. */
static int find_spot(const char *point, struct spot *ret)
{
	_cleanup_(closep) int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id = dir < 0 ? 0 : mount_of(dir), there;

	spot_done(ret);
	while (dir >= 0 && *(point += strspn(point, "/"))) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(point, "/");
		int next;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, point);
		next = len < sizeof(name) ? openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
		there = next < 0 ? 0 : mount_of(next);
		if (there != 0 && there != id) {
			spot_done(ret);
			ret->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
			ret->root = fcntl(next, F_DUPFD_CLOEXEC, 3);
			ret->id = id = there;
			strcpy(ret->name, name);
		}
		closefd(dir);
		dir = next; /* -1: a cover has no such directory */
		point += len;
	}
	return ret->dir < 0 || ret->root < 0 ? -ENOENT : 0;
}

static bool is_above(const struct mountinfo *list, const struct mountinfo_entry *e, uint64_t id)
{
	for (size_t i = 0; e && i <= list->n; i++) {
		if (e->parent == id)
			return true;
		e = e->parent == e->id ? NULL : mountinfo_find(list, e->parent);
	}
	return false;
}

/* A mount in no namespace can't be changed by anybody any more: so whoever keeps a directory of it
 * can write there no longer. Not while somebody has a file open to write (EBUSY), who is found
 * later (holders.h). */
static void make_readonly(int mount)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	(void)mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

/* Whoever is in it keeps what he has open, and nobody comes in. By a descriptor of its root, since
 * its name can be another one by now: what is a mount point here can be renamed from a namespace
 * where it is none (rename(2), EBUSY). */
static bool detach(const struct mountvisit *v, const struct spot *s, bool readonly)
{
	char path[32];

	if (fchdir(v->proc) < 0)
		return false;
	if (readonly)
		make_readonly(s->root);
	(void)snprintf(path, sizeof(path), "self/fd/%d", s->root);
	return umount2(path, MNT_DETACH) == 0;
}

/* One that nobody uses. Our own descriptor of its root would be a use. */
static bool unmount(struct spot *s)
{
	s->root = closefd(s->root);
	return fchdir(s->dir) == 0 && umount2(s->name, UMOUNT_NOFOLLOW) == 0;
}

enum taken { TAKEN_NOTHING, TAKEN_COVER, TAKEN_IT };

/* One that is in use is detached. What the container has mounted over it, or over a directory above
 * it, goes first: else it would only have to take that off again. */
static enum taken take_top(
	const struct mountvisit *v, const struct mountinfo *list, const struct mountinfo_entry *e)
{
	_cleanup_spot_ struct spot spot = { .dir = -1, .root = -1 };
	bool used;

	if (find_spot(e->point, &spot) < 0 || is_above(list, e, spot.id))
		return TAKEN_NOTHING;
	if (spot.id != e->id)
		return detach(v, &spot, false) ? TAKEN_COVER : TAKEN_NOTHING;
	used = !unmount(&spot);
	if (used && (find_spot(e->point, &spot) < 0 || spot.id != e->id || !detach(v, &spot, true)))
		return TAKEN_NOTHING;
	v->out->gone++;
	v->out->lazy += used;
	return TAKEN_IT;
}

/* Whether it is gone shows the next list. */
static void take_away(
	const struct mountvisit *v, const struct mountinfo *list, const struct mountinfo_entry *e)
{
	unsigned tries = 0, covers = 0;

	while (tries < TRIES_MAX && covers < COVERS_MAX)
		switch (take_top(v, list, e)) {
		case TAKEN_NOTHING:
			tries++;
			break;
		case TAKEN_COVER:
			covers++;
			break;
		case TAKEN_IT:
			return;
		}
}

bool mountvisit_must_go(const struct mountvisit *v, const struct mountinfo_entry *e)
{
	return mountinfo_is_ours(e, v->rule) && !mountinfo_may_stay(e, v->rule);
}

static unsigned count_left(const struct mountvisit *v, const struct mountinfo *list)
{
	unsigned n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += mountvisit_must_go(v, &list->at[i]);
	return n;
}

/* Until none is left, or for as long as is worth it: somebody may rename what is on the way to one,
 * and some can't be taken away (MNT_LOCKED, mount_namespaces(7)). */
static void sweep(const struct mountvisit *v)
{
	const uint64_t end_us = clock_us(CLOCK_MONOTONIC) + LOOKS_US;

	for (unsigned looks = 0;; looks++) {
		_cleanup_mountinfo_ struct mountinfo list = {};
		unsigned left;

		if (mountinfo_read(v->proc, "self", &list) < 0) {
			v->out->busy++; /* nobody knows, so nobody may say that it is gone */
			return;
		}
		left = count_left(v, &list);
		if (left == 0 || looks == LOOKS_MAX ||
			(looks > 0 && clock_us(CLOCK_MONOTONIC) > end_us)) {
			v->out->busy += left;
			for (size_t i = 0; i < list.n; i++)
				v->out->overlays += list.at[i].overlay;
			return;
		}
		for (size_t i = list.n; i-- > 0;) /* the last made is the first to go */
			if (mountvisit_must_go(v, &list.at[i]))
				take_away(v, &list, &list.at[i]);
	}
}

static int put(const struct mountvisit *v)
{
	_cleanup_(closep) int at = -1;
	int r = path_open_in_root(
		v->root, v->at + strspn(v->at, "/"), O_PATH | O_DIRECTORY, 0, &at);

	if (r < 0)
		return r;
	return move_mount(v->mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
			       0
		       ? -errno
		       : 0;
}

int mountvisit_enter(const struct mountvisit *v, int ns)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		mountvisit_become_child(parent, ns, v->proc, v->root, v->mount);
		v->out->r = setns(ns, CLONE_NEWNS) < 0 ? -errno : 0;
		if (v->out->r == 0 && v->mount >= 0)
			v->out->r = put(v);
		else if (v->out->r == 0)
			sweep(v);
		_exit(0);
	}
	if (child < 0)
		return -errno;
	(void)waitpid(child, NULL, 0);
	return v->out->r;
}
