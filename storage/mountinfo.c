/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/mountinfo.h"

#include <fcntl.h>

#define TREES "/containers/"

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

static void add(struct mountinfo *m, const char *id, const char *device, const char *root,
	const char *point, const char *options, const char *rest)
{
	const char *source = strncmp(rest, "- ", 2) == 0 ? rest : strstr(rest, " - ");
	struct mountinfo_entry *e;

	if (m->n == m->allocated) {
		m->allocated = m->allocated ? m->allocated * 2 : 64;
		m->at = xrealloc(m->at, m->allocated, sizeof(*m->at));
	}
	e = &m->at[m->n++];
	*e = (struct mountinfo_entry){
		.id = strtoull(id, NULL, 10),
		.root = unescape(root),
		.point = unescape(point),
		.readonly = has_option(options, "ro"),
		.ramdisk = source && strstr(source, " " MOUNTINFO_RAMDISK " "),
	};
	(void)snprintf(e->device, sizeof(e->device), "%s", device);
}

/* id parent major:minor root point options [optional…] - type source superoptions */
static void read_line(struct mountinfo *m, char *line)
{
	char *word[6], *rest = line;

	for (size_t i = 0; i < countof(word); i++) {
		word[i] = strsep(&rest, " ");
		if (!rest)
			return;
	}
	add(m, word[0], word[2], word[3], word[4], word[5], rest);
}

int mountinfo_read(int proc, const char *pid, struct mountinfo *ret)
{
	_cleanup_(freep) char *path = xasprintf("%s/mountinfo", pid), *line = NULL;
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	size_t size = 0;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		read_line(ret, line);
	}
	(void)fclose(f);
	return 0;
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

bool mountinfo_is_ours(const struct mountinfo_entry *e, const char *self)
{
	const char *tree = strstr(e->root, TREES);
	size_t len = strlen(self);

	if (e->ramdisk)
		return true;
	return tree &&
	       (strncmp(tree + strlen(TREES), self, len) != 0 || tree[strlen(TREES) + len] != '/');
}

bool mountinfo_may_stay(const struct mountinfo_entry *e, const struct mountinfo_rule *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct mountinfo_entry *a = &r->allowed[i];
		size_t len = strlen(a->root);

		if (strcmp(a->device, e->device) == 0 && strncmp(a->root, e->root, len) == 0 &&
			(e->root[len] == '\0' || e->root[len] == '/') &&
			(e->readonly || !a->readonly))
			return true;
	}
	return false;
}
