/* SPDX-License-Identifier: GPL-2.0-or-later */
/* <Pool>/images has a directory for each image, named by its archive's digest: rootfs, beside it
 * the digest of that tree, its size and, when the image says one, its stop signal. Half-made
 * things begin with a dot: .fetch-… is the spool that an archive is downloaded into, .new-… an
 * image in the making, .trash-… one on its way out.
 *
 * Unpacking begins anew in an empty .new-…, whatever a killed predecessor left there: the
 * archive is unpacked, an OCI layout's layers are applied, the root is lifted out of a unified
 * image and looked at; then all is made durable and sealed, and the rename to the digest makes
 * it an image. The spool goes however that ends.
 *
 * Who uses a root holds a shared lock on it, and its removal waits for them. That the archive is
 * what its name says has been judged when it was downloaded. */
#include "storage/imagestore.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "storage/diskerr.h"
#include "storage/oci.h"
#include "storage/path.h"
#include "storage/squash.h"
#include "storage/treedigest.h"
#include "storage/unpack.h"

#define ROOTFS    "rootfs"
#define CONTENT   "content"     /* the archive as it was */
#define DIGEST    "tree-digest" /* of rootfs, by storage/treedigest */
#define SIZE      "size"        /* of what was unpacked, in bytes */
#define SIGNAL    "stop-signal" /* as the image writes it; none: it says nothing */
#define UNIFIED   ".hoody-rootfs"
#define NAME_SIZE 96
#define ID_LAST   65535 /* that a container has */

static int invalid(struct err *err, const char *sentence)
{
	return err_set(err, -EBADMSG, ERR_IMAGE_INVALID, "image", "%s", sentence);
}

static void name_of(const char *prefix, const char *digest, char ret[static NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, "%s%s", prefix, digest);
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_directory(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* --- the spool --- */

int imagestore_spool(struct pool *p, const char *digest, struct err *err)
{
	char name[NAME_SIZE];
	int fd;

	name_of(".fetch-", digest, name);
	fd = openat(p->images, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? diskerr_set(err, -errno, "can't open the image's spool") : fd;
}

static int remove_spool(struct pool *p, const char *digest)
{
	char name[NAME_SIZE];

	name_of(".fetch-", digest, name);
	return unlinkat(p->images, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int imagestore_drop_spool(struct pool *p, const char *digest, struct err *err)
{
	int r = remove_spool(p, digest);

	return r < 0 ? diskerr_set(err, r, "can't remove the image's spool") : 0;
}

static bool has_spool(struct pool *p, const char *digest)
{
	char name[NAME_SIZE];

	name_of(".fetch-", digest, name);
	return faccessat(p->images, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- what it is --- */

/* The root lies in rootfs/ of a unified image: its entries come up, and what else there was
 * goes. */
static int lift_root(int tree)
{
	_cleanup_(closep) int inner = -1;
	struct timespec kept[2] = { { .tv_nsec = UTIME_OMIT } };
	struct path_names names = {};
	struct stat st;
	int r = renameat(tree, ROOTFS, tree, UNIFIED) < 0 ? -errno : path_list(tree, &names);

	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (strcmp(names.at[i], UNIFIED) != 0 && unlinkat(tree, names.at[i], 0) < 0)
			r = path_remove_tree(tree, names.at[i]);
	path_names_done(&names);
	if (r >= 0)
		r = inner = open_dir(tree, UNIFIED);
	if (r >= 0)
		r = fstat(inner, &st) < 0 ? -errno : path_list(inner, &names);
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (renameat(inner, names.at[i], tree, names.at[i]) < 0)
			r = -errno;
	path_names_done(&names);
	if (r >= 0 && unlinkat(tree, UNIFIED, AT_REMOVEDIR) < 0)
		r = -errno;
	if (r < 0)
		return r;
	kept[1] = st.st_mtim;
	if (fchown(tree, st.st_uid, st.st_gid) < 0 || fchmod(tree, st.st_mode & 07777) < 0 ||
		futimens(tree, kept) < 0)
		return -errno;
	return 0;
}

static int lift(int tree, struct err *err)
{
	int r;

	if (!is_file(tree, "metadata.yaml"))
		return 0;
	/* CVE-2026-48749: the entry itself may be a link. */
	if (!is_directory(tree, ROOTFS))
		return invalid(err, "metadata.yaml without a directory rootfs");
	r = lift_root(tree);
	return r < 0 ? diskerr_set(err, r, "can't take the root out of the image") : 0;
}

static int judge(int tree, struct err *err)
{
	return is_directory(tree, "etc") || is_directory(tree, "usr") || is_directory(tree, "bin")
		       ? 0
		       : invalid(err, "the archive holds no root file system: neither etc, usr "
				      "nor bin");
}

/* --- making one --- */

/* A file of the image's directory, beside its tree. */
static int note(int dir, const char *name, const char *text)
{
	_cleanup_(closep) int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

static int note_signal(int dir, int layout, struct err *err)
{
	char text[OCI_SIGNAL_SIZE];
	int r;

	oci_stop_signal(layout, text);
	r = text[0] ? note(dir, SIGNAL, text) : 0;
	return r < 0 ? diskerr_set(err, r, "the image's stop signal can't be kept") : 0;
}

static void on_unpacked(uint64_t bytes, void *userdata)
{
	struct pool *p = userdata;
	const struct treecopy t = { .bytes = bytes };

	if (p->progress)
		p->progress(&t, p->userdata);
}

static int make_tree(struct pool *p, int dir, const char *name, struct err *err)
{
	int fd, r = p->driver->make(dir, name);

	fd = r < 0 ? r : open_dir(dir, name);
	if (fd >= 0 && fchmod(fd, 0755) < 0) {
		r = -errno;
		closefd(fd);
		fd = r;
	}
	return fd < 0 ? diskerr_set(err, fd, "can't make the image's tree") : fd;
}

/* Into the tree, under the limits of every image. */
static int copy_squash(
	struct pool *p, int archive, int tree, const struct imagestore_limits *l, struct err *err)
{
	_cleanup_(closep) int from = squash_open(archive, err);
	struct treecopy t = { .from = from,
		.to = tree,
		.progress = p->progress,
		.userdata = p->userdata,
		.max_files = l->max_entries,
		.max_bytes = l->max_bytes,
		.max_id = ID_LAST,
		.no_hostonly = true };
	int r = from < 0 ? from : treecopy_run(&t, err);

	p->bytes = t.bytes;
	if (r == -EIO)
		return invalid(err, "the squashfs is damaged");
	return r == -EFBIG ? invalid(err, "it is larger than Storage.ImageMaxBytes, or has more "
					  "files than Storage.ImageMaxFiles")
			   : r;
}

static int fill(
	struct pool *p, int dir, int archive, const struct imagestore_limits *l, struct err *err)
{
	_cleanup_(closep) int content = make_tree(p, dir, CONTENT, err), root = -1;
	struct unpack u = { .archive = archive,
		.tree = content,
		.max_bytes = l->max_bytes,
		.max_entries = l->max_entries,
		.program = l->unpack,
		.progress = on_unpacked,
		.userdata = p };
	int r = content;

	if (r >= 0 && squash_is_one(archive))
		r = copy_squash(p, archive, content, l, err);
	else if (r >= 0)
		r = unpack_archive(&u, err);
	if (r < 0)
		return r;
	p->bytes = MAX_OF(p->bytes, u.bytes);
	if (!oci_is_layout(content)) {
		r = lift(content, err);
		if (r >= 0)
			r = judge(content, err);
		if (r >= 0 && renameat(dir, CONTENT, dir, ROOTFS) < 0)
			r = diskerr_set(err, -errno, "can't put the image in place");
		return r;
	}
	root = make_tree(p, dir, ROOTFS, err);
	u.tree = root;
	r = root < 0 ? root : oci_apply(content, &u, err);
	p->bytes = u.bytes;
	if (r >= 0)
		r = judge(root, err);
	if (r >= 0)
		r = note_signal(dir, content, err);
	return r < 0 ? r : p->driver->remove(dir, CONTENT);
}

static int remove_image(struct pool *p, const char *name)
{
	_cleanup_(closep) int dir = open_dir(p->images, name);
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = p->driver->remove(dir, ROOTFS);
	if (r >= 0)
		r = p->driver->remove(dir, CONTENT);
	return r < 0 ? r : path_remove_tree(p->images, name);
}

/* What imagestore_verify will hold the tree against. */
static int note_digest(int dir, struct err *err)
{
	_cleanup_(closep) int tree = open_dir(dir, ROOTFS);
	char text[TREEDIGEST_HEX + 1];
	int r = tree < 0 ? diskerr_set(err, tree, "the image can't be opened")
			 : treedigest_run(tree, text, err);

	if (r < 0)
		return r;
	r = note(dir, DIGEST, text);
	return r < 0 ? diskerr_set(err, r, "the image's digest can't be kept") : 0;
}

static int note_size(const struct pool *p, int dir, struct err *err)
{
	_cleanup_(freep) char *text = xasprintf("%" PRIu64, p->bytes);
	int r = note(dir, SIZE, text);

	return r < 0 ? diskerr_set(err, r, "the image's size can't be kept") : 0;
}

static int publish(
	struct pool *p, int dir, const char *staging, const char *digest, struct err *err)
{
	int r = note_digest(dir, err);

	if (r >= 0)
		r = note_size(p, dir, err);
	if (r < 0)
		return r;
	r = syncfs(dir) < 0 ? -errno : p->driver->seal(dir, ROOTFS);
	if (r >= 0 && imagestore_remove(p, digest, err) < 0) /* a damaged one */
		return -EIO;
	if (r >= 0 && renameat(p->images, staging, p->images, digest) < 0)
		r = -errno;
	if (r >= 0 && fsync(p->images) < 0) {
		r = -errno;
		if (imagestore_remove(p, digest, err) < 0) /* nobody would know of it */
			return r;
	}
	return r < 0 ? diskerr_set(err, r, "the image can't be made durable") : 0;
}

int imagestore_unpack(
	struct pool *p, const char *digest, const struct imagestore_limits *l, struct err *err)
{
	_cleanup_(closep) int archive = -1, dir = -1;
	char staging[NAME_SIZE];
	int r;

	name_of(".new-", digest, staging);
	if ((!l->replace || !has_spool(p, digest)) && /* no spool: it has been replaced already */
		faccessat(p->images, digest, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return imagestore_drop_spool(p, digest, err);
	r = remove_image(p, staging); /* a killed predecessor's */
	if (r >= 0 && mkdirat(p->images, staging, 0700) < 0)
		r = -errno;
	if (r >= 0)
		r = dir = open_dir(p->images, staging);
	if (r < 0)
		return diskerr_set(err, r, "can't make the image's directory");
	archive = imagestore_spool(p, digest, err);
	r = archive < 0 ? archive : fill(p, dir, archive, l, err);
	if (r >= 0)
		r = publish(p, dir, staging, digest, err);
	if (r < 0)
		(void)remove_image(p, staging); /* the first error stands */
	(void)remove_spool(p, digest);
	return r;
}

int imagestore_abandon(struct pool *p, const char *digest, struct err *err)
{
	char staging[NAME_SIZE];
	int r;

	name_of(".new-", digest, staging);
	r = remove_image(p, staging);
	return r < 0 ? diskerr_set(err, r, "what was unpacked can't be removed") : 0;
}

/* --- using it --- */

int imagestore_open(struct pool *p, const char *digest, struct err *err)
{
	_cleanup_(closep) int dir = open_dir(p->images, digest);
	_cleanup_(closep) int tree = dir < 0 ? dir : open_dir(dir, ROOTFS);
	int r = tree < 0 ? tree : flock(tree, LOCK_SH) < 0 ? -errno : 0;

	if (r == -ENOENT)
		return err_set(
			err, r, ERR_IMAGE_NOT_FOUND, "image", "the image is not in the pool");
	return r < 0 ? diskerr_set(err, r, "the image can't be opened") : take_fd(&tree);
}

int imagestore_verify(struct pool *p, const char *digest, bool *ret, struct err *err)
{
	_cleanup_(closep) int dir = open_dir(p->images, digest), tree = -1, fd = -1;
	char was[TREEDIGEST_HEX], is[TREEDIGEST_HEX + 1];
	int r;

	*ret = false;
	tree = dir < 0 ? -1 : open_dir(dir, ROOTFS);
	fd = dir < 0 ? -1 : openat(dir, DIGEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0 || fd < 0 || read(fd, was, sizeof(was)) != sizeof(was))
		return 0;
	r = treedigest_run(tree, is, err);
	/* What the disk can't read back is damaged too (btrfs' checksums). */
	*ret = r >= 0 && memcmp(was, is, sizeof(was)) == 0;
	return r == -EIO ? 0 : r;
}

static void read_note(struct pool *p, const char *digest, const char *name,
	char ret[static IMAGESTORE_SIGNAL_SIZE])
{
	_cleanup_(closep) int dir = open_dir(p->images, digest), fd = -1;
	ssize_t n;

	fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, IMAGESTORE_SIGNAL_SIZE - 1);
	ret[MAX_OF(n, (ssize_t)0)] = '\0';
}

void imagestore_stop_signal(
	struct pool *p, const char *digest, char ret[static IMAGESTORE_SIGNAL_SIZE])
{
	read_note(p, digest, SIGNAL, ret);
}

int64_t imagestore_size(struct pool *p, const char *digest)
{
	char text[IMAGESTORE_SIGNAL_SIZE];

	read_note(p, digest, SIZE, text);
	return strtoll(text, NULL, 10);
}

int imagestore_remove(struct pool *p, const char *digest, struct err *err)
{
	_cleanup_(closep) int dir = open_dir(p->images, digest), tree = -1;
	char trash[NAME_SIZE];
	int r;

	name_of(".trash-", digest, trash);
	tree = dir < 0 ? -1 : open_dir(dir, ROOTFS);
	if (tree >= 0)
		(void)flock(tree, LOCK_EX);
	r = remove_image(p, trash);
	if (r >= 0 && renameat(p->images, digest, p->images, trash) < 0 && errno != ENOENT)
		r = -errno;
	closep(&tree);
	closep(&dir);
	if (r >= 0)
		r = remove_image(p, trash);
	return r < 0 ? diskerr_set(err, r, "the image can't be removed") : 0;
}
