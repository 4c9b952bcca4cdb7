/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom an image says that a file belongs to: its passwd and group, an ACL as text and one as an
 * attribute, in one entry of an archive. What is taken has ids that a container has, all others are
 * refused with a word; and to settle an entry twice is to settle it once.
 *
 * The input: passwd, a NUL, group, a NUL, the ACL's text, a NUL, the attribute's bytes. */
#include <archive.h>

#include "storage/hostonly.h"
#include "storage/unpack_ids.h"
#include "tests/fuzz/fuzz.h"

#define POSIX    (ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)
#define TEXT_MAX 512

static char *text_of(struct archive_entry *e)
{
	char *text = archive_entry_acl_to_text(e, NULL, POSIX | ARCHIVE_ENTRY_ACL_STYLE_EXTRA_ID),
	     *copy = xstrdup(text ? text : "");

	free(text);
	return copy;
}

static void check_rows(struct archive_entry *e)
{
	int type, permset, tag, id;
	const char *name;

	(void)archive_entry_acl_reset(e, POSIX);
	while (archive_entry_acl_next(e, POSIX, &type, &permset, &tag, &id, &name) == ARCHIVE_OK)
		if (tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP)
			assert(id >= 0 && id <= UNPACK_IDS_MAX);
}

static void settle(const struct unpack_ids *u, struct archive_entry *e)
{
	_cleanup_(freep) char *once = NULL, *twice = NULL;
	char why[256] = "";

	if (unpack_ids_settle(u, e, why, sizeof(why)) < 0) {
		assert(*why);
		return;
	}
	check_rows(e);
	assert(!unpack_ids_wanted(e));
	once = text_of(e);
	if (unpack_ids_settle(u, e, why, sizeof(why)) < 0)
		abort();
	twice = text_of(e);
	assert(strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *rest = data;
	size_t left = size;
	struct unpack_ids u = {};
	_cleanup_(freep) char *acl = NULL;
	struct archive_entry *e = archive_entry_new();

	u.text[UNPACK_IDS_USERS] = fuzz_split(rest, left, &rest, &left);
	u.text[UNPACK_IDS_GROUPS] = fuzz_split(rest, left, &rest, &left);
	acl = fuzz_split(rest, left, &rest, &left);
	archive_entry_set_filetype(e, AE_IFDIR);
	archive_entry_set_mode(e, AE_IFDIR | 0755);
	if (left > 0) {
		archive_entry_set_uid(e, (la_int64_t)rest[0] << (left % 40));
		archive_entry_xattr_add_entry(
			e, left & 1 ? HOSTONLY_ACL_ACCESS : HOSTONLY_ACL_DEFAULT, rest, left);
	}
	if (strlen(acl) < TEXT_MAX)
		(void)archive_entry_acl_from_text(e, acl,
			left & 2 ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT : ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
	(void)unpack_ids_file(acl);
	(void)unpack_ids_wanted(e);
	settle(&u, e);
	archive_entry_free(e);
	unpack_ids_done(&u);
	return 0;
}
