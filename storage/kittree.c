/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/kittree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/diskerr.h"
#include "storage/path.h"

static const char *const tree[] = { "hoody", "hoody/storage", "hoody/shares", "hoody/databases",
	"hoody/mounts" };

int kittree_make(int root, struct err *err)
{
	for (size_t i = 0; i < countof(tree); i++) {
		int r = path_make_in_root(root, tree[i], 0755);

		if (r < 0)
			return diskerr_set(err, r, "/%s can't be made in the container", tree[i]);
	}
	return 0;
}
