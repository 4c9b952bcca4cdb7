/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/keyfile.h"

#include "storage/diskerr.h"
#include "storage/path.h"
#include "storage/rootfile.h"

#define NAME "authorized_keys"

/* sshd(8) refuses a directory or a file that others may write to: StrictModes. A root by hand may
 * have no /root yet. */
static int open_folder(int root, bool make, int *ret)
{
	int r = rootfile_open_folder(root, "root/.ssh", ret);

	if (r != -ENOENT || !make)
		return r;
	r = path_make_in_root(root, "root/.ssh", 0700);
	return r < 0 ? r : rootfile_open_folder(root, "root/.ssh", ret);
}

int keyfile_write(int root, const char *key, struct err *err)
{
	_cleanup_(freep) char *body = key ? xasprintf("%s\n", key) : xstrdup("");
	_cleanup_(closep) int folder = -1;
	int r = open_folder(root, key != NULL, &folder);

	if (r == -ENOENT && !key)
		return 0;
	if (r >= 0)
		r = rootfile_set_block(folder, NAME, body, 0600);
	return r < 0 ? diskerr_set(err, r, "the container's /root/.ssh/" NAME " can't be written")
		     : 0;
}
