/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One tree for another and back, in plain directories; and when it can't be told which one stands
 * in the place, the old one is not removed for that. Kills at each of its calls:
 * tests/crash/trees.py. */
#include "storage/swap.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/tap.h"

static int dir;
static struct swap swap = { .name = "root", .driver = &pool_dir };

static void make_tree(const char *name, const char *file)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", name, file);
	if (mkdirat(dir, name, 0755) < 0 || mknodat(dir, path, S_IFREG | 0644, 0) < 0)
		TAP_BAIL("no %s", path);
}

static bool has(const char *path)
{
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_there_and_back(void)
{
	struct err err = {};

	TAP_OK(swap_wants_build(&swap), "a new tree is to be built");
	make_tree(SWAP_BUILDING, "new");
	TAP_EQ(swap_commit(&swap, &err), 0, "committed");
	TAP_OK(has("root/new") && has(".previous/old"), "the new one stands in the place");
	TAP_EQ(swap_commit(&swap, &err), 0, "committed again");
	TAP_OK(has("root/new"), "changes nothing");
	TAP_EQ(swap_revert(&swap, &err), 0, "reverted");
	TAP_OK(has("root/old") && !has(".previous") && !has(".next"), "the old one stands there");
}

/* An id that can't be read, here for being a link: it might as well be a want of descriptors. */
static void test_untold(void)
{
	struct err err = {};

	make_tree(SWAP_BUILDING, "new");
	TAP_EQ(swap_commit(&swap, &err), 0, "committed");
	if (renameat(dir, ".next.id", dir, "kept") < 0 || symlinkat("kept", dir, ".next.id") < 0)
		TAP_BAIL("no link");
	TAP_OK(swap_revert(&swap, &err) < 0,
		"a revert that can't tell which one is the new one fails");
	TAP_OK(has(".previous/old") && has("root/new"), "and removes neither");
	if (renameat(dir, "kept", dir, ".next.id") < 0)
		TAP_BAIL("no id");
	TAP_EQ(swap_revert(&swap, &err), 0, "reverted when it can be told again");
	TAP_OK(has("root/old") && !has(".previous"), "the old one stands there");
}

static int remove_half(int at, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/new", name);
	return unlinkat(at, path, 0) < 0 ? 0 : -EIO;
}

/* More than there is time for, or a disk that refuses. */
static void test_half_removed(void)
{
	struct pool_driver slow = pool_dir;
	struct err err = {};

	slow.remove = remove_half;
	make_tree(SWAP_BUILDING, "new");
	TAP_EQ(swap_commit(&swap, &err), 0, "committed");
	swap.driver = &slow;
	TAP_OK(swap_revert(&swap, &err) < 0, "a revert that can't remove the new tree fails");
	TAP_OK(has("root/old"), "the old one stands there");
	swap.driver = &pool_dir;
	TAP_OK(swap_wants_build(&swap), "and what is left is not taken for the next new tree");
	TAP_EQ(swap_revert(&swap, &err), 0, "reverted");
	TAP_OK(has("root/old") && !has(SWAP_BUILDING), "nothing is left");
}

static void test_settle(void)
{
	struct err err = {};

	make_tree(SWAP_BUILDING, "new");
	TAP_EQ(swap_commit(&swap, &err), 0, "committed");
	TAP_EQ(swap_settle(&swap, NULL, &err), 0, "settled");
	TAP_OK(has("root/new") && !has(".previous") && swap_wants_build(&swap), "for good");
}

int main(void)
{
	char path[] = "/tmp/hoody-swap-XXXXXX";

	if (!mkdtemp(path) || (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		TAP_BAIL("no directory");
	swap.dir = dir;
	make_tree("root", "old");
	test_there_and_back();
	test_untold();
	test_half_removed();
	test_settle();
	(void)pool_dir.remove(dir, "root");
	(void)rmdir(path);
	return tap_done();
}
