/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/hostfile.h"

#include "storage/diskerr.h"
#include "storage/rootfile.h"

#define NAME "hostname"

int hostfile_rename(int root, const char *from, const char *to, struct err *err)
{
	_cleanup_(freep) char *old = NULL, *line = xasprintf("%s\n", to);
	_cleanup_(closep) int folder = -1;
	size_t size;
	int r;

	if (rootfile_open_folder(root, "etc", &folder) < 0 ||
		rootfile_read(folder, NAME, &old, &size) < 0)
		return 0; /* it has none, or none of ours */
	old[strcspn(old, "\n")] = '\0';
	if (strcmp(old, from) != 0)
		return 0;
	r = rootfile_rewrite(folder, NAME, line, strlen(line), 0644);
	return r < 0 ? diskerr_set(err, r, "the container's /etc/hostname can't be written") : 0;
}
