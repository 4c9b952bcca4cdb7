/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An entry's ACL comes in up to three forms: as text with ids, as text with names alone, and as an
 * attribute in the kernel's own bytes. All become one list of rows; each row's id is judged by one
 * rule (settle_row), whatever form it came in, and libarchive writes the rows. Nothing is set
 * verbatim, so no id gets by that no container has. Where an entry has two forms, text wins: it has
 * the names, and those mean the image's own passwd and group, of which the text is held from when
 * they were unpacked. What is no ACL, or names nobody, is an error with a word. */
#include "storage/unpack_ids.h"

#include <archive.h>
#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "storage/hostonly.h"

#define POSIX          (ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)
#define NO_ID          (-1)
#define NAME_MAX_SHOWN 64

struct row {
	int type, permset, tag, id;
	char *name;
};

static const struct {
	const char *path, *what;
} files[UNPACK_IDS_FILES] = {
	[UNPACK_IDS_USERS] = { "etc/passwd", "user" },
	[UNPACK_IDS_GROUPS] = { "etc/group", "group" },
};

void unpack_ids_done(struct unpack_ids *u)
{
	for (size_t i = 0; i < countof(u->text); i++)
		free(TAKE(u->text[i]));
}

int unpack_ids_file(const char *name)
{
	static const char *const before[] = { "./", "rootfs/" };

	for (size_t i = 0; i < countof(before); i++)
		if (strncmp(name, before[i], strlen(before[i])) == 0)
			name += strlen(before[i]);
	for (int i = 0; i < UNPACK_IDS_FILES; i++)
		if (strcmp(name, files[i].path) == 0)
			return i;
	return -1;
}

/* "name:password:id:…", a line each. */
static int find(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *c = text + len;
		char *end;
		unsigned long id;

		if (strncmp(text, name, len) != 0 || *c++ != ':')
			continue;
		c += strcspn(c, ":\n");
		if (*c++ != ':' || *c < '0' || *c > '9')
			continue;
		id = strtoul(c, &end, 10);
		if ((*end == ':' || *end == '\n' || !*end) && id <= INT32_MAX)
			return (int)id;
	}
	return strcmp(name, "root") == 0 ? 0 : NO_ID;
}

static int kind_of(int tag)
{
	return tag == ARCHIVE_ENTRY_ACL_USER    ? UNPACK_IDS_USERS
	       : tag == ARCHIVE_ENTRY_ACL_GROUP ? UNPACK_IDS_GROUPS
						: -1;
}

static size_t read_rows(struct archive_entry *e, struct row **ret)
{
	int all = archive_entry_acl_reset(e, POSIX);
	struct row *rows = xcalloc((size_t)MAX_OF(all, 0) + 1, sizeof(*rows));
	const char *name;
	size_t n = 0;

	while (n < (size_t)MAX_OF(all, 0) &&
		archive_entry_acl_next(e, POSIX, &rows[n].type, &rows[n].permset, &rows[n].tag,
			&rows[n].id, &name) == ARCHIVE_OK) {
		rows[n].name = xstrdup(name ? name : "");
		n++;
	}
	*ret = rows;
	return n;
}

static void free_rows(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].name);
	free(rows);
}

bool unpack_ids_wanted(struct archive_entry *e)
{
	struct row *rows;
	size_t n = read_rows(e, &rows);
	bool wanted = false;

	for (size_t i = 0; i < n; i++)
		wanted = wanted || (kind_of(rows[i].tag) >= 0 && rows[i].id == NO_ID);
	free_rows(rows, n);
	return wanted;
}

static int beyond(char *why, size_t size, const char *what, long long id)
{
	(void)snprintf(
		why, size, "%s %lld: a container has the ids 0 to %d", what, id, UNPACK_IDS_MAX);
	return -EBADMSG;
}

static int settle_row(const struct unpack_ids *u, struct row *row, char *why, size_t size)
{
	int kind = kind_of(row->tag);

	if (kind < 0)
		return 0;
	if (row->id == NO_ID)
		row->id = find(u->text[kind], row->name);
	if (row->id == NO_ID) {
		(void)snprintf(why, size,
			"its ACL names the %s \"%.*s\", whom the image's /%s does not know",
			files[kind].what, NAME_MAX_SHOWN, row->name, files[kind].path);
		return -EBADMSG;
	}
	return row->id < 0 || row->id > UNPACK_IDS_MAX
		       ? beyond(why, size,
				 kind == UNPACK_IDS_USERS ? "its ACL's uid" : "its ACL's gid",
				 row->id)
		       : 0;
}

static int settle_acl(const struct unpack_ids *u, struct archive_entry *e, char *why, size_t size)
{
	struct row *rows;
	size_t n = read_rows(e, &rows);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = settle_row(u, &rows[i], why, size);
	if (r >= 0 && n > 0)
		archive_entry_acl_clear(e);
	for (size_t i = 0; r >= 0 && i < n; i++)
		if (archive_entry_acl_add_entry(e, rows[i].type, rows[i].permset, rows[i].tag,
			    rows[i].id, NULL) != ARCHIVE_OK) {
			(void)snprintf(why, size, "its ACL can't be taken");
			r = -EBADMSG;
		}
	free_rows(rows, n);
	return r;
}

/* --- an ACL as an attribute, in the kernel's form --- */

static const struct {
	const char *name;
	int type;
} attributes[] = {
	{ HOSTONLY_ACL_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_ACCESS },
	{ HOSTONLY_ACL_DEFAULT, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT },
};

static const struct {
	unsigned kernels;
	int tag;
} tags[] = {
	{ ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER_OBJ },
	{ ACL_USER, ARCHIVE_ENTRY_ACL_USER },
	{ ACL_GROUP_OBJ, ARCHIVE_ENTRY_ACL_GROUP_OBJ },
	{ ACL_GROUP, ARCHIVE_ENTRY_ACL_GROUP },
	{ ACL_MASK, ARCHIVE_ENTRY_ACL_MASK },
	{ ACL_OTHER, ARCHIVE_ENTRY_ACL_OTHER },
};
static_assert(ARCHIVE_ENTRY_ACL_READ == ACL_READ && ARCHIVE_ENTRY_ACL_WRITE == ACL_WRITE &&
		      ARCHIVE_ENTRY_ACL_EXECUTE == ACL_EXECUTE,
	"permissions are the kernel's bits");

static int damaged(char *why, size_t size, const char *attribute)
{
	(void)snprintf(why, size, "its attribute %s holds no ACL", attribute);
	return -EBADMSG;
}

static int tag_of(unsigned kernels)
{
	for (size_t i = 0; i < countof(tags); i++)
		if (tags[i].kernels == kernels)
			return tags[i].tag;
	return 0;
}

/* Whom no container has is for settle_row() to refuse. */
static int add_row(struct archive_entry *e, int type, const struct posix_acl_xattr_entry *x)
{
	int tag = tag_of(le16toh(x->e_tag)), permset = le16toh(x->e_perm), id = NO_ID;

	if (tag == 0 || permset > (ACL_READ | ACL_WRITE | ACL_EXECUTE))
		return -EBADMSG;
	if (kind_of(tag) >= 0)
		id = (int)MIN_OF(le32toh(x->e_id), (uint32_t)INT32_MAX);
	return archive_entry_acl_add_entry(e, type, permset, tag, id, NULL) == ARCHIVE_OK
		       ? 0
		       : -EBADMSG;
}

/* As tar(1) packs an ACL with --xattrs and without --acls (mmdebstrap does): a header, and entries
 * of one size. */
static int read_attribute(struct archive_entry *e, int type, const uint8_t *value, size_t length)
{
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry x;
	int r = 0;

	if (length < sizeof(header) || (length - sizeof(header)) % sizeof(x) != 0)
		return -EBADMSG;
	memcpy(&header, value, sizeof(header));
	if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
		return -EBADMSG;
	for (size_t at = sizeof(header); r >= 0 && at < length; at += sizeof(x)) {
		memcpy(&x, value + at, sizeof(x));
		r = add_row(e, type, &x);
	}
	return r;
}

/* libarchive takes ACLs as text alone, and leaves others out without a word. Where there are both,
 * text has the names. */
static int judge_forms(struct archive_entry *e, char *why, size_t size)
{
	int types = archive_entry_acl_types(e);
	const char *name;
	const void *value;
	size_t length;

	if (types & ARCHIVE_ENTRY_ACL_TYPE_NFS4) {
		(void)snprintf(why, size, "it has an NFSv4 ACL, which Linux' file systems lack");
		return -EBADMSG;
	}
	(void)archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &length) == ARCHIVE_OK)
		for (size_t i = 0; i < countof(attributes); i++)
			if (strcmp(name, attributes[i].name) == 0 &&
				!(types & attributes[i].type) &&
				read_attribute(e, attributes[i].type, value, length) < 0)
				return damaged(why, size, name);
	return 0;
}

int unpack_ids_settle(const struct unpack_ids *u, struct archive_entry *e, char *why, size_t size)
{
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	int r = judge_forms(e, why, size);

	if (r < 0)
		return r;
	if (uid < 0 || uid > UNPACK_IDS_MAX)
		return beyond(why, size, "its uid", (long long)uid);
	if (gid < 0 || gid > UNPACK_IDS_MAX)
		return beyond(why, size, "its gid", (long long)gid);
	return archive_entry_acl_count(e, POSIX) > 0 ? settle_acl(u, e, why, size) : 0;
}
