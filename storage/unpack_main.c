/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-unpack BYTES-MAX ENTRIES-MAX layer|root: one archive into one tree, both of which it is
 * given as descriptors (storage/unpack.h), by libarchive. A program of its own, since no other
 * process of ours should have that library and its dozen in it; what it does it does in a cell
 * (storage/unpack_cell.h), with the tree as its root.
 *
 * Entries are taken in their order, under limits that count what is unpacked. A layer over
 * others is read twice: first for whiteouts, which hide only what lies below, then for what it
 * brings. Device nodes and attributes of the host's are left out; names in ACLs become ids by
 * the image's own passwd and group. It says how far it is on a pipe and at last, once, how it
 * has ended; a tree that is not whole is for its caller to remove. */
#include "storage/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "storage/hostonly.h"
#include "storage/path.h"
#include "storage/unpack_cell.h"
#include "storage/unpack_ids.h"

#define BLOCK           (1024UL * 1024)
#define WHITEOUT        ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

struct unpacking {
	uint64_t bytes, entries, max_bytes, max_entries;
	bool layer; /* of an OCI image */
	struct archive *in, *out;
	off_t begin; /* of the archive */
	struct unpack_ids ids;
	bool knows_ids;
	uint64_t told;
	struct err err;
};

static int invalid(struct unpacking *p, const char *what, const char *why)
{
	return err_set(&p->err, -EBADMSG, ERR_IMAGE_INVALID, "image", "%.150s: %s", what,
		why ? why : "no reason given");
}

/* --- reading --- */

/* By name and no more: "all" would start programs for what it has no library for. */
static int open_input(struct unpacking *p)
{
	p->in = archive_read_new();
	if (!p->in)
		abort();
	(void)archive_read_support_filter_gzip(p->in);
	(void)archive_read_support_filter_bzip2(p->in);
	(void)archive_read_support_filter_xz(p->in);
	(void)archive_read_support_filter_zstd(p->in);
	(void)archive_read_support_format_tar(p->in);
	return archive_read_open_fd(p->in, UNPACK_ARCHIVE, BLOCK) == ARCHIVE_OK
		       ? 0
		       : invalid(p, "this is no archive of a known form",
				 archive_error_string(p->in));
}

static int end_of_archive(struct unpacking *p, int r, int more)
{
	return r >= 0 && more != ARCHIVE_EOF
		       ? invalid(p, "the archive is damaged", archive_error_string(p->in))
		       : r;
}

/* Under the limits of an unpacking: what is packed small may be large. */
static int read_through(
	struct unpacking *p, int (*each)(struct unpacking *p, struct archive_entry *e))
{
	uint64_t entries = 0, bytes = 0;
	struct archive_entry *e;
	int r = open_input(p), more = ARCHIVE_OK;

	while (r >= 0 && (more = archive_read_next_header(p->in, &e)) >= ARCHIVE_WARN &&
		more != ARCHIVE_EOF) {
		bytes += (uint64_t)MAX_OF(archive_entry_size(e), (la_int64_t)0);
		if (++entries > p->max_entries)
			r = invalid(p, "the image", "it has more files than Storage.ImageMaxFiles");
		else if (bytes > p->max_bytes)
			r = invalid(p, "the image", "it is larger than Storage.ImageMaxBytes");
		else
			r = each(p, e);
	}
	r = end_of_archive(p, r, more);
	(void)archive_read_free(p->in);
	return r;
}

/* The whole archive once more, whatever has been read of it. */
static int read_again(
	struct unpacking *p, int (*each)(struct unpacking *p, struct archive_entry *e))
{
	off_t here = lseek(UNPACK_ARCHIVE, 0, SEEK_CUR);
	struct archive *in = p->in;
	int r = here < 0 || lseek(UNPACK_ARCHIVE, p->begin, SEEK_SET) < 0
			? invalid(p, "the archive", "it can't be read twice")
			: read_through(p, each);

	p->in = in;
	if (r >= 0 && lseek(UNPACK_ARCHIVE, here, SEEK_SET) < 0)
		r = invalid(p, "the archive", "it can't be read twice");
	return r;
}

/* --- names of ACLs --- */

static int note_ids(struct unpacking *p, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	int kind = name && archive_entry_filetype(e) == AE_IFREG ? unpack_ids_file(name) : -1;
	size_t size = 0;
	la_ssize_t n;

	if (kind < 0 || archive_entry_hardlink(e))
		return 0;
	free(p->ids.text[kind]);
	p->ids.text[kind] = xcalloc(1, UNPACK_IDS_FILE_SIZE + 1);
	while (size < UNPACK_IDS_FILE_SIZE &&
		(n = archive_read_data(
			 p->in, p->ids.text[kind] + size, UNPACK_IDS_FILE_SIZE - size)) > 0)
		size += (size_t)n;
	return 0; /* damage shows where the whole file is read */
}

static void note_ids_of_tree(struct unpacking *p)
{
	static const char *const paths[UNPACK_IDS_FILES] = { "etc/passwd", "etc/group" };
	_cleanup_(closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < countof(paths); i++) {
		_cleanup_(closep) int fd = -1;
		struct stat st;

		if (p->ids.text[i] ||
			path_open_in_root(root, paths[i], O_RDONLY | O_NONBLOCK, 0, &fd) < 0 ||
			fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		p->ids.text[i] = xcalloc(1, UNPACK_IDS_FILE_SIZE + 1);
		if (read(fd, p->ids.text[i], UNPACK_IDS_FILE_SIZE) < 0)
			free(TAKE(p->ids.text[i]));
	}
}

static int settle_ids(struct unpacking *p, struct archive_entry *e, const char *name)
{
	char why[200];
	int r = 0;

	if (!p->knows_ids && unpack_ids_wanted(e)) {
		p->knows_ids = true;
		r = read_again(p, note_ids);
		if (r >= 0 && p->layer)
			note_ids_of_tree(p); /* a lower layer's */
	}
	if (r < 0)
		return r;
	return unpack_ids_settle(&p->ids, e, why, sizeof(why)) < 0 ? invalid(p, name, why) : 0;
}

/* --- one entry --- */

static int too_large(struct unpacking *p, const char *name)
{
	return invalid(p, name, "the image is larger than Storage.ImageMaxBytes");
}

static int failed_to_write(struct unpacking *p, const char *name)
{
	int r = archive_errno(p->out);
	const char *why = archive_error_string(p->out);

	if (r == ENOSPC || r == EDQUOT)
		return err_set(&p->err, -ENOSPC, ERR_DISK_FULL, "Storage.Pool",
			"the pool is full at %.100s", name);
	return err_set(&p->err, -EBADMSG, ERR_IMAGE_INVALID, "image", "%.120s: %s", name,
		why ? why : "can't be made");
}

static void say_progress(struct unpacking *p)
{
	struct unpack_word w = { .bytes = p->bytes, .entries = p->entries };

	if (p->bytes - p->told < UNPACK_TELL_EVERY)
		return;
	p->told = p->bytes;
	if (write(UNPACK_SAY, &w, sizeof(w)) != sizeof(w))
		_exit(1); /* our parent is gone */
}

static int copy_data(struct unpacking *p, const char *name)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(p->in, &block, &size, &offset)) == ARCHIVE_OK) {
		p->bytes += size;
		if (p->bytes > p->max_bytes || (uint64_t)offset + size > p->max_bytes)
			return too_large(p, name);
		if (archive_write_data_block(p->out, block, size, offset) < ARCHIVE_OK)
			return failed_to_write(p, name);
		say_progress(p);
	}
	return r == ARCHIVE_EOF ? 0
				: invalid(p, "the archive is damaged", archive_error_string(p->in));
}

static int remove_children(int dir)
{
	struct path_names names = {};
	int r = path_list(dir, &names);

	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (unlinkat(dir, names.at[i], 0) < 0)
			r = path_remove_tree(dir, names.at[i]);
	path_names_done(&names);
	return r;
}

/* --- layers: what lies below makes way --- */

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool is_whiteout(const char *base)
{
	return strncmp(base, WHITEOUT, strlen(WHITEOUT)) == 0;
}

/* The directory that a name stands in, and the name in it, without the slashes behind: the caller's
 * both. The directory is looked for as in the finished image: links are followed, and end
 * inside. */
static int open_folder(const char *name, char **ret_base, int *ret)
{
	size_t n = strlen(name), begin;
	_cleanup_(freep) char *folder = NULL;
	_cleanup_(closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (n > 0 && name[n - 1] == '/')
		n--;
	for (begin = n; begin > 0 && name[begin - 1] != '/'; begin--)
		;
	folder = begin > 0 ? xasprintf("%.*s", (int)begin, name) : xstrdup(".");
	*ret_base = xasprintf("%.*s", (int)(n - begin), name + begin);
	return path_open_in_root(root, folder, O_RDONLY | O_DIRECTORY, 0, ret);
}

static int remove_from(int dir, const char *base)
{
	return unlinkat(dir, base, 0) == 0 || errno == ENOENT ? 0 : path_remove_tree(dir, base);
}

/* "dir/.wh.name" takes name out of the layers below, "dir/.wh..wh..opq" all that dir has. */
static int white_out(struct unpacking *p, const char *name)
{
	_cleanup_(freep) char *base = NULL;
	_cleanup_(closep) int dir = -1;
	int r = open_folder(name, &base, &dir);
	const char *gone = base + strlen(WHITEOUT);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return invalid(p, name, "a whiteout in no directory");
	if (strcmp(base, WHITEOUT_OPAQUE) == 0)
		r = remove_children(dir);
	else if (!*gone || strcmp(gone, ".") == 0 || strcmp(gone, "..") == 0)
		return invalid(p, name, "a whiteout of nothing");
	else
		r = remove_from(dir, gone);
	return r < 0 ? invalid(p, name, "can't be whited out") : 0;
}

static bool is_directory(struct archive_entry *e)
{
	return archive_entry_filetype(e) == AE_IFDIR && !archive_entry_hardlink(e);
}

/* A directory stays where a directory comes; everything else is replaced, links too (the OCI image
 * specification's "Representing Changes", as umoci and containerd read it). */
static int make_way(struct unpacking *p, const char *name, struct archive_entry *e)
{
	_cleanup_(freep) char *base = NULL;
	_cleanup_(closep) int dir = -1;
	struct stat st;

	if (open_folder(name, &base, &dir) < 0 || !*base || strcmp(base, ".") == 0 ||
		strcmp(base, "..") == 0 || fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		(is_directory(e) && S_ISDIR(st.st_mode)))
		return 0; /* nothing there; what is hostile libarchive refuses */
	return remove_from(dir, base) < 0 ? invalid(p, name, "can't be replaced") : 0;
}

/* A directory that comes in a link's place makes way already now: a whiteout in it must not reach
 * what the link leads to. */
static int clear_lower(struct unpacking *p, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);

	if (!name)
		return 0; /* the second reading says so */
	if (is_whiteout(base_of(name)))
		return white_out(p, name);
	return is_directory(e) ? make_way(p, name, e) : 0;
}

/* --- what no container could make use of --- */

static bool is_left_out(struct archive_entry *e)
{
	return !archive_entry_hardlink(e) &&
	       hostonly_is_device(archive_entry_filetype(e), archive_entry_rdev(e));
}

/* Returns how many bytes those have that are taken: the file system keeps them like data, and an
 * entry can have a mebibyte of them that takes next to nothing in an archive. */
static uint64_t leave_out_attributes(struct archive_entry *e)
{
	struct archive_entry *all;
	const char *name;
	const void *value;
	uint64_t bytes = 0;
	size_t size;

	if (archive_entry_xattr_count(e) == 0)
		return 0;
	all = archive_entry_clone(e);
	if (!all)
		abort();
	archive_entry_xattr_clear(e);
	(void)archive_entry_xattr_reset(all);
	while (archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK)
		if (!hostonly_is_attribute(name)) {
			archive_entry_xattr_add_entry(e, name, value, size);
			bytes += strlen(name) + size;
		}
	archive_entry_free(all);
	return bytes;
}

/* --- an entry that is taken --- */

static int take_entry(struct unpacking *p, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	int r = 0;

	if (!name)
		return invalid(p, "the image", "an entry has no name that can be read");
	if (++p->entries > p->max_entries)
		return invalid(p, name, "the image has more files than Storage.ImageMaxFiles");
	if (p->layer && is_whiteout(base_of(name)))
		return 0; /* it was obeyed before anything of this layer came */
	r = settle_ids(p, e, name);
	if (r >= 0 && p->layer)
		r = make_way(p, name, e);
	if (r < 0 || is_left_out(e))
		return r;
	p->bytes += leave_out_attributes(e);
	if (p->bytes > p->max_bytes)
		return too_large(p, name);
	archive_entry_set_fflags(e, 0, 0); /* file flags are not the container's to have */
	if (archive_write_header(p->out, e) < ARCHIVE_OK)
		return failed_to_write(p, name);
	r = archive_entry_size(e) > 0 ? copy_data(p, name) : 0;
	if (r < 0)
		return r;
	return archive_write_finish_entry(p->out) < ARCHIVE_OK ? failed_to_write(p, name) : 0;
}

/* --- the process --- */

static int open_archives(struct unpacking *p)
{
	int flags = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
		    ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
		    ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

	(void)umask(022); /* of directories that no entry makes; the others have what they say */
	p->out = archive_write_disk_new();
	if (!p->out)
		abort();
	/* Both together would mean: put a directory in the link's place, and go on. */
	flags |= p->layer ? ARCHIVE_EXTRACT_UNLINK : ARCHIVE_EXTRACT_SECURE_SYMLINKS;
	(void)archive_write_disk_set_options(p->out, flags);
	return open_input(p);
}

static bool has_lower(void)
{
	_cleanup_(closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct path_names names = {};
	bool has = path_list(root, &names) >= 0 && names.n > 0;

	path_names_done(&names);
	return has;
}

static int unpack_all(struct unpacking *p)
{
	struct archive_entry *e;
	int r = 0, more = ARCHIVE_OK;

	p->begin = lseek(UNPACK_ARCHIVE, 0, SEEK_CUR);
	/* Whiteouts hide what lower layers have, never what their own brings, wherever they stand
	 * in it. So a layer is read twice, unless there is nothing below. */
	if (p->layer && has_lower())
		r = read_again(p, clear_lower);
	if (r >= 0)
		r = open_archives(p);
	while (r >= 0 && (more = archive_read_next_header(p->in, &e)) >= ARCHIVE_WARN &&
		more != ARCHIVE_EOF)
		r = take_entry(p, e);
	r = end_of_archive(p, r, more);
	if (r >= 0 && p->entries == 0)
		r = invalid(p, "the image", "the archive is empty");
	if (r >= 0 && archive_write_close(p->out) < ARCHIVE_OK) /* times of directories */
		r = failed_to_write(p, "a directory");
	unpack_ids_done(&p->ids);
	return r;
}

int main(int argc, char **argv)
{
	struct unpacking p = {};
	struct unpack_word w = { .end = true };

	if (argc != 4)
		return EXIT_FAILURE;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	p.max_bytes = strtoull(argv[1], NULL, 10);
	p.max_entries = strtoull(argv[2], NULL, 10);
	p.layer = strcmp(argv[3], "layer") == 0;
	/* The locale stays "C": in another one libarchive would bring names into Unicode's normal
	 * form C, and two names may become one. */
	w.r = unpack_cell_enter(&p.err);
	if (w.r >= 0)
		w.r = unpack_all(&p);
	w.bytes = p.bytes;
	w.entries = p.entries;
	w.err = p.err;
	_exit(write(UNPACK_SAY, &w, sizeof(w)) == sizeof(w) ? EXIT_SUCCESS : EXIT_FAILURE);
}
