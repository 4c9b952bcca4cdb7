/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/hostfile.h"

#include "storage/diskerr.h"
#include "storage/rootfile.h"

#define NAME "hostname"

/* The first line of it, NULL where there is no such file; the folder that it is in. */
static char *read_name(int root, int *ret_folder)
{
	char *text = NULL;
	size_t size;

	if (rootfile_open_folder(root, "etc", ret_folder) < 0 ||
		rootfile_read(*ret_folder, NAME, &text, &size) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Durable, since no start writes it again. */
static int write_name(int folder, const char *name, struct err *err)
{
	_cleanup_(freep) char *line = xasprintf("%s\n", name);
	int r = rootfile_rewrite(folder, NAME, line, strlen(line), 0644);

	if (r >= 0 && fsync(folder) < 0)
		r = -errno;
	return r < 0 ? diskerr_set(err, r, "the container's /etc/hostname can't be written") : 0;
}

int hostfile_rename(int root, const char *from, const char *to, struct err *err)
{
	_cleanup_(closep) int folder = -1;
	_cleanup_(freep) char *old = read_name(root, &folder);

	return old && strcmp(old, from) == 0 ? write_name(folder, to, err) : 0;
}

int hostfile_keep(int from, int root, const char *name, struct err *err)
{
	_cleanup_(closep) int newer = -1, older = -1;
	_cleanup_(freep) char *is = read_name(from, &newer), *was = read_name(root, &older);

	return is && was && strcmp(is, name) == 0 && strcmp(was, name) != 0
		       ? write_name(older, name, err)
		       : 0;
}
