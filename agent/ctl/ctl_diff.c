/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl snapshot diff: what a container's root has that its snapshot hasn't, and the other way,
 * as both lie in the pool. It reads names and what stat(2) says, and opens nothing but
 * directories, each by its one name in its parent's descriptor: no link is followed, no mount
 * entered, and what a container calls its files goes to the terminal without control characters.
 *
 * A file's content has changed when its size or its time of change has (mtime), as rsync(1) has
 * it: who sets it back hides a change. The root may be written meanwhile: what is gone again when
 * it is looked at is no difference. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/ctl/ctl_conf.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "proto/jsonx.h"

#define DEPTH_MAX 256

struct diff {
	const struct ctl *ctl;
	json_t *rows; /* of --json; NULL: they are printed as they are found */
	unsigned too_deep, unread;
	int why; /* the last of them isn't read */
};

static int open_beneath(int dir, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static void tell(
	struct diff *d, const char *change, const char *dir, const char *name, const char *what)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);

	err_clean(path);
	if (d->rows)
		(void)json_array_append_new(
			d->rows, jsonx_pack("{s:s, s:s, s:s*}", "change", change, "path", path,
					 "what", *what ? what : NULL));
	else
		printf("%s %s%s%s%s\n", change, path, *what ? " (" : "", what, *what ? ")" : "");
}

/* --- one entry of both --- */

static bool same_link(int new, int old, const char *name)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n = readlinkat(new, name, a, sizeof(a)), m = readlinkat(old, name, b, sizeof(b));

	return n >= 0 && n == m && memcmp(a, b, (size_t)n) == 0;
}

static bool same_content(
	int new, int old, const char *name, const struct stat *a, const struct stat *b)
{
	if (S_ISREG(a->st_mode))
		return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
	if (S_ISLNK(a->st_mode))
		return same_link(new, old, name);
	return a->st_rdev == b->st_rdev;
}

static void compare(struct diff *d, int new, int old, const char *dir, const char *name,
	const struct stat *a, const struct stat *b)
{
	bool other = (a->st_mode ^ b->st_mode) & S_IFMT;
	const struct {
		bool differs;
		const char *word;
	} looks[] = {
		{ other, "type" },
		{ !other && !same_content(new, old, name, a, b), "content" },
		{ !other && (a->st_mode ^ b->st_mode) & 07777, "mode" },
		{ a->st_uid != b->st_uid || a->st_gid != b->st_gid, "owner" },
	};
	char what[64] = "";

	for (size_t i = 0; i < countof(looks); i++)
		if (looks[i].differs)
			(void)snprintf(what + strlen(what), sizeof(what) - strlen(what), "%s%s",
				*what ? ", " : "", looks[i].word);
	if (*what)
		tell(d, "M", dir, name, what);
}

/* --- the walk --- */

static int is_name(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

struct names {
	struct dirent **at;
	int n;
};

static void names_done(struct names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->at[i]);
	free(names->at);
}

static void skip(struct diff *d, int errnum)
{
	d->unread++;
	d->why = errnum;
}

static struct names names_of(struct diff *d, int fd)
{
	struct names names = { NULL, 0 };

	names.n = scandirat(fd, ".", &names.at, is_name, alphasort);
	if (names.n >= 0)
		return names;
	skip(d, errno);
	return (struct names){ NULL, 0 };
}

static void walk(struct diff *d, int new, int old, const char *dir, unsigned depth);

static void enter(
	struct diff *d, int new, int old, const char *dir, const char *name, unsigned depth)
{
	_cleanup_(closep) int below_new = open_beneath(new, name), below_old = -1;
	int errnum = below_new < 0 ? errno : 0;
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);

	if (below_new >= 0) {
		below_old = open_beneath(old, name);
		errnum = below_old < 0 ? errno : 0;
	}
	if (errnum == EXDEV || errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP)
		return; /* another mount, or it has gone since it was looked at */
	if (errnum)
		skip(d, errnum);
	else if (depth == DEPTH_MAX)
		d->too_deep++;
	else
		walk(d, below_new, below_old, path, depth + 1);
}

/* What is new or gone is told by its topmost directory. */
static void walk(struct diff *d, int new, int old, const char *dir, unsigned depth)
{
	_cleanup_(names_done) struct names here = names_of(d, new), before = names_of(d, old);
	struct stat a, b;

	for (int i = 0; i < before.n; i++) {
		const char *name = before.at[i]->d_name;

		if (fstatat(new, name, &a, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			tell(d, "D", dir, name, "");
	}
	for (int i = 0; i < here.n; i++) {
		const char *name = here.at[i]->d_name;

		if (fstatat(new, name, &a, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (fstatat(old, name, &b, AT_SYMLINK_NOFOLLOW) < 0) {
			tell(d, "A", dir, name, "");
			continue;
		}
		compare(d, new, old, dir, name, &a, &b);
		if (S_ISDIR(a.st_mode) && S_ISDIR(b.st_mode))
			enter(d, new, old, dir, name, depth);
	}
}

/* --- the two trees --- */

/* By its name or its alias. */
static enum ctl_exit find_snapshot(
	const struct ctl *ctl, const char *id, char **ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("/containers/%s/snapshots", id);
	_cleanup_json_ json_t *data = NULL;
	enum ctl_exit e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);
	json_t *row;
	size_t i;

	if (e != CTL_OK)
		return e;
	json_array_foreach(json_object_get(data, "snapshots"), i, row) {
		const char *name = ctl_text_of(row, "name"), *alias = ctl_text_of(row, "alias");

		if (name && (strcmp(name, ctl->args[1]) == 0 ||
				    (alias && strcmp(alias, ctl->args[1]) == 0))) {
			*ret = xstrdup(name);
			return CTL_OK;
		}
	}
	(void)err_set(err, -ENOENT, ERR_SNAPSHOT_NOT_FOUND, NULL,
		"%s has no snapshot \"%s\" (SNAPSHOT_NOT_FOUND)", ctl->args[0], ctl->args[1]);
	return CTL_FAILED;
}

static enum ctl_exit open_tree(int pool, const char *path, int *ret, struct err *err)
{
	*ret = open_beneath(pool, path);
	if (*ret >= 0)
		return CTL_OK;
	(void)err_set(err, -errno, ERR_INTERNAL, NULL, "can't look at %s in the pool: %s%s", path,
		strerror(errno), errno == EACCES ? " (root may)" : "");
	return CTL_FAILED;
}

static enum ctl_exit open_trees(const struct ctl *ctl, int *ret_new, int *ret_old, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	_cleanup_(closep) int pool = -1;
	_cleanup_(freep) char *id = NULL, *snapshot = NULL, *new = NULL, *old = NULL;
	enum ctl_exit e = ctl_conf_read(ctl, &c, err);

	if (e == CTL_OK)
		e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e == CTL_OK)
		e = find_snapshot(ctl, id, &snapshot, err);
	if (e != CTL_OK)
		return e;
	pool = open(c.storage.pool, O_PATH | O_DIRECTORY | O_CLOEXEC);
	new = xasprintf("containers/%s/rootfs", id);
	old = xasprintf("containers/%s/snapshots/%s", id, snapshot);
	e = open_tree(pool, new, ret_new, err);
	return e == CTL_OK ? open_tree(pool, old, ret_old, err) : e;
}

enum ctl_exit ctl_diff(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *rows = ctl->json ? json_array() : NULL;
	struct diff d = { .ctl = ctl, .rows = rows };
	_cleanup_(closep) int new = -1, old = -1;
	enum ctl_exit e = open_trees(ctl, &new, &old, err);

	if (e != CTL_OK)
		return e;
	walk(&d, new, old, "", 0);
	if (rows)
		ctl_out_json(rows);
	if (d.unread > 0)
		return err_set(err, -d.why, ERR_INTERNAL, NULL, "%u director%s not read: %s",
			       d.unread, d.unread == 1 ? "y was" : "ies were", strerror(d.why)),
		       CTL_FAILED;
	if (!d.too_deep)
		return CTL_OK;
	(void)err_set(err, -ELOOP, ERR_INTERNAL, NULL,
		"%u director%s too deep to be looked at (%d levels)", d.too_deep,
		d.too_deep == 1 ? "y lies" : "ies lie", DEPTH_MAX);
	return CTL_FAILED;
}
