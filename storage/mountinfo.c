/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/mountinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* \040 and its like (show_mountinfo in the kernel's fs/proc_namespace.c). */
static char *unescape(const char *s)
{
	char *text = xstrdup(s), *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return text;
}

static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *o = options; *o; o += strcspn(o, ","), o += *o == ',')
		if (strcspn(o, ",") == len && strncmp(o, name, len) == 0)
			return true;
	return false;
}

enum { ID, PARENT, DEVICE, ROOT, POINT, OPTIONS, WORDS };

static void add(struct mountinfo *m, char *const word[static WORDS], const char *rest)
{
	const char *type = strncmp(rest, "- ", 2) == 0 ? rest : strstr(rest, " - ");
	struct mountinfo_entry *e;

	if (m->n == m->allocated) {
		m->allocated = m->allocated ? m->allocated * 2 : 64;
		m->at = xrealloc(m->at, m->allocated, sizeof(*m->at));
	}
	e = &m->at[m->n++];
	*e = (struct mountinfo_entry){
		.id = strtoull(word[ID], NULL, 10),
		.parent = strtoull(word[PARENT], NULL, 10),
		.root = unescape(word[ROOT]),
		.point = unescape(word[POINT]),
		.readonly = has_option(word[OPTIONS], "ro"),
		.overlay = type && strncmp(strchr(type, '-'), "- overlay ", 10) == 0,
	};
	(void)snprintf(e->device, sizeof(e->device), "%s", word[DEVICE]);
}

/* id parent major:minor root point options [optional…] - type source superoptions */
static void read_line(struct mountinfo *m, char *line)
{
	char *word[WORDS], *rest = line;

	for (size_t i = 0; i < countof(word); i++) {
		word[i] = strsep(&rest, " ");
		if (!rest)
			return;
	}
	add(m, word, rest);
}

int mountinfo_read(int proc, const char *pid, struct mountinfo *ret)
{
	_cleanup_(freep) char *path = xasprintf("%s/mountinfo", pid), *line = NULL;
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	size_t size = 0;
	int r;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		read_line(ret, line);
	}
	r = feof(f) ? 0 : -errno; /* half a list must not pass for a whole one */
	(void)fclose(f);
	return r;
}

void mountinfo_done(struct mountinfo *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->at[i].root);
		free(m->at[i].point);
	}
	free(m->at);
	*m = (struct mountinfo){};
}

const struct mountinfo_entry *mountinfo_find(const struct mountinfo *m, uint64_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->at[i].id == id)
			return &m->at[i];
	return NULL;
}

/* What is behind a path's beginning (directories both): "" or "/…"; NULL: it begins otherwise. */
static const char *behind(const char *path, const char *beginning)
{
	size_t len = strcmp(beginning, "/") == 0 ? 0 : strlen(beginning);

	return strncmp(path, beginning, len) == 0 && (path[len] == '\0' || path[len] == '/')
		       ? path + len
		       : NULL;
}

/* What the kernel calls it, and the mount that it is in. */
static int name_of(int proc, int fd, char *ret, size_t size, uint64_t *ret_id)
{
	_cleanup_(freep) char *link = xasprintf("self/fd/%d", fd);
	struct statx x;
	ssize_t n;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ||
		(n = readlinkat(proc, link, ret, size - 1)) < 0)
		return -errno;
	ret[n] = '\0';
	*ret_id = x.stx_mnt_id;
	return 0;
}

static void set_place(struct mountinfo_place *p, const struct mountinfo_entry *e, const char *rest)
{
	p->root = xasprintf("%s%s", strcmp(e->root, "/") == 0 ? "" : e->root, rest);
	(void)snprintf(p->device, sizeof(p->device), "%s", e->device);
}

int mountinfo_place(int proc, const char *directory, struct mountinfo_place *ret)
{
	_cleanup_(closep) int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_mountinfo_ struct mountinfo list = {};
	const struct mountinfo_entry *e;
	const char *rest;
	char path[PATH_MAX];
	uint64_t id;
	int r = name_of(proc, fd, path, sizeof(path), &id);

	if (r >= 0)
		r = mountinfo_read(proc, "self", &list);
	e = r < 0 ? NULL : mountinfo_find(&list, id);
	rest = e ? behind(path, e->point) : NULL;
	if (!rest)
		return r < 0 ? r : -ENOENT;
	set_place(ret, e, rest);
	return 0;
}

int mountinfo_places_below(
	int proc, const char *directory, struct mountinfo_place **ret, size_t *ret_n)
{
	_cleanup_(closep) int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_mountinfo_ struct mountinfo list = {};
	char path[PATH_MAX];
	uint64_t id;
	int r = name_of(proc, fd, path, sizeof(path), &id);

	*ret = NULL;
	*ret_n = 0;
	if (fd < 0 && r == -ENOENT)
		return 0;
	if (r >= 0)
		r = mountinfo_read(proc, "self", &list);
	if (r < 0)
		return r;
	*ret = xcalloc(list.n + 1, sizeof(**ret));
	for (size_t i = 0; i < list.n; i++)
		if (behind(list.at[i].point, path))
			set_place(&(*ret)[(*ret_n)++], &list.at[i], "");
	return 0;
}

void mountinfo_place_done(struct mountinfo_place *p)
{
	free(p->root);
	*p = (struct mountinfo_place){};
}

/* What is behind the place's own directory, as behind() says it. */
static const char *within(const struct mountinfo_entry *e, const struct mountinfo_place *p)
{
	return p->root && strcmp(e->device, p->device) == 0 ? behind(e->root, p->root) : NULL;
}

bool mountinfo_is_ours(const struct mountinfo_entry *e, const struct mountinfo_rule *r)
{
	const char *tree = within(e, r->trees);

	for (size_t i = 0; i < r->n_ramdisks; i++)
		if (within(e, &r->ramdisks[i]))
			return true;
	return tree && *tree == '/' && !behind(tree + 1, r->self);
}

bool mountinfo_may_stay(const struct mountinfo_entry *e, const struct mountinfo_rule *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct mountinfo_entry *a = &r->allowed[i];

		if (strcmp(a->device, e->device) == 0 && behind(e->root, a->root) &&
			(e->readonly || !a->readonly))
			return true;
	}
	return false;
}
