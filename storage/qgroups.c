/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/qgroups.h"

#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>

#define BUFFER_SIZE 65536
#define LEVEL_0_MAX ((1ULL << 48) - 1)

static void tell(const struct btrfs_ioctl_search_header *h, const char *item,
	void (*each)(const struct qgroups_use *use, void *userdata), void *userdata)
{
	struct btrfs_qgroup_info_item info;

	if (h->len < sizeof(info))
		return;
	memcpy(&info, item, sizeof(info));
	each(&(struct qgroups_use){ .subvolume = h->offset,
		     .referenced = le64toh(info.rfer),
		     .exclusive = le64toh(info.excl) },
		userdata);
}

void qgroups_each(
	int fd, void (*each)(const struct qgroups_use *use, void *userdata), void *userdata)
{
	_cleanup_(freep) struct btrfs_ioctl_search_args_v2 *args =
		xcalloc(1, sizeof(*args) + BUFFER_SIZE);
	struct btrfs_ioctl_search_key *k = &args->key;

	*k = (struct btrfs_ioctl_search_key){ .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
		.min_type = BTRFS_QGROUP_INFO_KEY,
		.max_type = BTRFS_QGROUP_INFO_KEY,
		.max_offset = LEVEL_0_MAX,
		.max_transid = UINT64_MAX };
	for (;;) {
		const char *at = (const char *)args->buf;

		k->nr_items = UINT32_MAX;
		args->buf_size = BUFFER_SIZE;
		if (ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, args) < 0 || k->nr_items == 0)
			return;
		for (uint32_t i = 0; i < k->nr_items; i++) {
			struct btrfs_ioctl_search_header h;

			memcpy(&h, at, sizeof(h));
			tell(&h, at + sizeof(h), each, userdata);
			at += sizeof(h) + h.len;
			k->min_offset = h.offset + 1;
		}
	}
}
