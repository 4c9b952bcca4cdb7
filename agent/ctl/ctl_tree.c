/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One side walks and the other builds, and neither ever goes by a path: a directory is its
 * descriptor, and each name is looked up in that alone. So whoever renames, links and replaces
 * meanwhile changes what is sent and never where from, nor where to.
 *
 * A record is a kind, a mode, a time and so many bytes, at most CHUNK_MAX: a name, a part of a
 * file, a link's name and target. What ends a directory or a file brings its mode and its time,
 * since what comes before that changes them. A file is sent as it comes, and as no more than it
 * was long when it was opened: one that grows for ever has an end. Of a hole its length is sent,
 * and it is one again: what takes no room here takes none there. */
#include "agent/ctl/ctl_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CHUNK_MAX   65536
#define DEPTH_MAX   128
#define ENTRIES_MAX 1000000
#define NS_PER_S    1000000000U
#define NEW_NAME    ".%.200s.%d.new"

enum kind {
	DIRECTORY = 1,
	UP,
	FILE_BEGIN,
	FILE_DATA,
	FILE_HOLE,
	FILE_END,
	LINK,
	SKIPPED,
	END,
	TOLD
};

struct record {
	uint32_t kind, mode;
	uint64_t size;
	int64_t modified_s;
	uint64_t modified_ns;
};

static int broken(struct err *err, int r, const char *what, const char *name)
{
	return err_set(err, r, ERR_INTERNAL, NULL, "%.200s: %s%s%s", name, what, *what ? ": " : "",
		strerror(-r));
}

static int put(int fd, enum kind kind, const void *data, size_t size)
{
	const struct record rec = { .kind = kind, .size = size };
	int r = write_all(fd, &rec, sizeof(rec));

	return r >= 0 && size > 0 ? write_all(fd, data, size) : r;
}

static int put_end(int fd, enum kind kind, const struct stat *st)
{
	const struct record rec = { .kind = kind,
		.mode = st->st_mode & 0777,
		.modified_s = st->st_mtim.tv_sec,
		.modified_ns = (uint64_t)st->st_mtim.tv_nsec };

	return write_all(fd, &rec, sizeof(rec));
}

/* --- who sends --- */

static int open_below(int dir, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Up to where there is a hole from @at on; a file system that knows none has none. */
static uint64_t hole_end(int fd, uint64_t at, uint64_t size)
{
	off_t end = lseek(fd, (off_t)at, SEEK_DATA);

	if (end < 0 && errno == ENXIO) /* to the end of the file as it is now */
		end = lseek(fd, 0, SEEK_END);
	return MIN_OF(MAX_OF((uint64_t)MAX_OF(end, 0), at), size);
}

/* And data, as much as goes at once. */
static size_t data_size(int fd, uint64_t at, uint64_t size)
{
	off_t end = lseek(fd, (off_t)at, SEEK_HOLE);

	if (end > (off_t)at)
		size = MIN_OF(size, (uint64_t)end);
	return MIN_OF(size - at, (uint64_t)CHUNK_MAX);
}

static int send_data(int fd, uint64_t size, int out)
{
	_cleanup_(freep) char *data = xcalloc(1, CHUNK_MAX);
	uint64_t at = 0;

	while (at < size) {
		const uint64_t hole = hole_end(fd, at, size) - at;
		ssize_t n = 0;
		int r;

		if (hole > 0) {
			r = put(out, FILE_HOLE, &hole, sizeof(hole));
		} else {
			n = pread(fd, data, data_size(fd, at, size), (off_t)at);
			r = n > 0 ? put(out, FILE_DATA, data, (size_t)n) : n < 0 ? -errno : 0;
			if (n <= 0)
				return r; /* it has become shorter: so is the copy */
		}
		if (r < 0)
			return r;
		at += hole + (uint64_t)n;
	}
	return 0;
}

static int send_file(int dir, const char *name, int out)
{
	_cleanup_(closep) int fd =
		openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? put(out, SKIPPED, NULL, 0) : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) /* it was one when we looked */
		return put(out, SKIPPED, NULL, 0);
	r = put(out, FILE_BEGIN, name, strlen(name));
	if (r >= 0)
		r = send_data(fd, (uint64_t)st.st_size, out);
	return r < 0 ? r : put_end(out, FILE_END, &st);
}

static int send_link(int dir, const char *name, int out)
{
	char text[NAME_MAX + 1 + PATH_MAX];
	size_t len = strlen(name) + 1;
	ssize_t n;

	assert(len <= NAME_MAX + 1);
	memcpy(text, name, len);
	n = readlinkat(dir, name, text + len, PATH_MAX);
	return n < 0 ? put(out, SKIPPED, NULL, 0) : put(out, LINK, text, len + (size_t)n);
}

static int send_below(int dir, int out, unsigned depth, struct err *err);

static int send_directory(int dir, const char *name, int out, unsigned depth, struct err *err)
{
	_cleanup_(closep) int fd = open_below(dir, name);
	struct stat st;
	int r;

	if (fd == -EXDEV || fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return put(out, SKIPPED, NULL, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return broken(err, fd < 0 ? fd : -errno, "can't be opened", name);
	if (depth == DEPTH_MAX)
		return broken(err, -ELOOP, "lies too deep", name);
	r = put(out, DIRECTORY, name, strlen(name));
	if (r >= 0)
		r = send_below(fd, out, depth + 1, err);
	return r < 0 ? r : put_end(out, UP, &st);
}

static int send_entry(int dir, const char *name, int out, unsigned depth, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone again */
	if (S_ISDIR(st.st_mode))
		return send_directory(dir, name, out, depth, err);
	r = S_ISREG(st.st_mode)   ? send_file(dir, name, out)
	    : S_ISLNK(st.st_mode) ? send_link(dir, name, out)
				  : put(out, SKIPPED, NULL, 0);
	return r < 0 ? broken(err, r, "can't be read or sent", name) : 0;
}

static int send_below(int dir, int out, unsigned depth, struct err *err)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		r = -errno;
		closefd(copy);
		return broken(err, r, "can't be read", "a directory");
	}
	while (r >= 0 && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = send_entry(dir, e->d_name, out, depth, err);
	if (r >= 0 && errno) /* readdir(3): no end, but an error */
		r = broken(err, -errno, "can't be read", "a directory");
	(void)closedir(d); /* it was read only */
	return r;
}

int ctl_tree_send(int dir, int out, struct err *err)
{
	struct stat st;
	int r;

	if (fstat(dir, &st) < 0)
		return broken(err, -errno, "", "the directory");
	r = send_below(dir, out, 0, err);
	return r < 0 ? r : put_end(out, END, &st);
}

/* --- who receives --- */

struct builder {
	int dirs[DEPTH_MAX + 1], file;
	unsigned depth, entries;
	struct ctl_tree_told told;
};

/* Of so many bytes, with a NUL behind them. */
static bool is_name(const char *s, size_t size)
{
	return size > 0 && size <= NAME_MAX && strlen(s) == size && !memchr(s, '/', size) &&
	       strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int begin_directory(struct builder *b, const char *name, size_t size)
{
	int dir = b->dirs[b->depth], fd;

	if (!is_name(name, size) || b->file >= 0 || b->depth == DEPTH_MAX)
		return -EBADMSG;
	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	b->dirs[++b->depth] = fd;
	return 0;
}

/* Its mode and time; the times that utimensat(2) takes for words are none. */
static int end_as(int fd, const struct record *rec)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = rec->modified_s, .tv_nsec = (long)rec->modified_ns } };

	if (rec->modified_ns >= NS_PER_S)
		return -EBADMSG;
	return fchmod(fd, rec->mode & 0777) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int end_directory(struct builder *b, const struct record *rec)
{
	int r;

	if (b->depth == 0 || b->file >= 0)
		return -EBADMSG;
	r = end_as(b->dirs[b->depth], rec);
	closefd(b->dirs[b->depth--]);
	return r;
}

static int begin_file(struct builder *b, const char *name, size_t size)
{
	if (!is_name(name, size) || b->file >= 0)
		return -EBADMSG;
	b->file = openat(b->dirs[b->depth], name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return b->file < 0 ? -errno : 0;
}

static int leave_hole(struct builder *b, const char *data, size_t size)
{
	off_t hole;

	if (b->file < 0 || size != sizeof(hole))
		return -EBADMSG;
	memcpy(&hole, data, sizeof(hole));
	return lseek(b->file, hole, SEEK_CUR) < 0 ? -errno : 0;
}

/* As long as it came, also where its end is a hole. */
static int end_file(struct builder *b, const struct record *rec)
{
	int r;

	if (b->file < 0)
		return -EBADMSG;
	r = ftruncate(b->file, lseek(b->file, 0, SEEK_CUR)) < 0 ? -errno : end_as(b->file, rec);
	b->file = closefd(b->file);
	return r;
}

static int make_link(struct builder *b, const char *text, size_t size)
{
	size_t len = strlen(text);

	if (b->file >= 0 || len + 1 >= size || !is_name(text, len) ||
		strlen(text + len + 1) != size - len - 1)
		return -EBADMSG;
	return symlinkat(text + len + 1, b->dirs[b->depth], text) < 0 ? -errno : 0;
}

static int take(struct builder *b, const struct record *rec, const char *data)
{
	switch (rec->kind) {
	case DIRECTORY:
		return begin_directory(b, data, rec->size);
	case UP:
		return end_directory(b, rec);
	case FILE_BEGIN:
		return begin_file(b, data, rec->size);
	case FILE_DATA:
		return b->file < 0 ? -EBADMSG : write_all(b->file, data, rec->size);
	case FILE_HOLE:
		return leave_hole(b, data, rec->size);
	case FILE_END:
		return end_file(b, rec);
	case LINK:
		return make_link(b, data, rec->size);
	case SKIPPED:
		b->told.skipped++;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* The next one, with a NUL behind its bytes. */
static int get(int fd, struct record *ret, char *data)
{
	ssize_t n = read_all(fd, ret, sizeof(*ret));

	if (n == (ssize_t)sizeof(*ret) && ret->size > CHUNK_MAX)
		return -EBADMSG;
	if (n == (ssize_t)sizeof(*ret)) {
		n = read_all(fd, data, ret->size);
		if (n == (ssize_t)ret->size) {
			data[n] = '\0';
			return 0;
		}
	}
	return n < 0 ? (int)n : -EPIPE; /* cut off */
}

static int read_told(const char *data, size_t size, struct ctl_tree_told *ret, struct err *err)
{
	if (size != sizeof(*ret) + CTL_TREE_TEXT_MAX)
		return -EBADMSG;
	memcpy(ret, data, sizeof(*ret));
	return data[sizeof(*ret)] ? err_set(err, -EREMOTEIO, ERR_INTERNAL, NULL, "%.*s",
					    CTL_TREE_TEXT_MAX, data + sizeof(*ret))
				  : 0;
}

static int build(int in, struct builder *b, struct err *err)
{
	_cleanup_(freep) char *data = xcalloc(1, CHUNK_MAX + 1);
	struct record rec;
	int r;

	while ((r = get(in, &rec, data)) >= 0) {
		if (rec.kind == TOLD) /* in the place of an end: it failed */
			return read_told(data, rec.size, &b->told, err) < 0 ? -EREMOTEIO : -EBADMSG;
		if (rec.kind == END)
			return b->depth == 0 && b->file < 0 ? end_as(b->dirs[0], &rec) : -EBADMSG;
		b->entries += rec.kind != FILE_DATA && rec.kind != FILE_HOLE;
		r = b->entries > ENTRIES_MAX ? -E2BIG : take(b, &rec, data);
		if (r < 0)
			return r;
	}
	return r;
}

/* By descriptors, as it was made; what others have put into it goes as well. */
static void remove_tree(int dir, const char *name, unsigned depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		closefd(fd);
		(void)unlinkat(dir, name, 0); /* the first failure is the one to tell */
		return;
	}
	(void)fchmod(fd, 0700);
	while (depth <= DEPTH_MAX && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_tree(fd, e->d_name, depth + 1);
	(void)closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

int ctl_tree_receive(int in, int dir, const char *name, struct ctl_tree_told *ret, struct err *err)
{
	_cleanup_(freep) char *made = xasprintf(NEW_NAME, name, (int)getpid());
	struct builder b = { .file = -1 };
	int r;

	remove_tree(dir, made, 0); /* of a predecessor with our pid */
	if (mkdirat(dir, made, 0700) < 0)
		return broken(err, -errno, "can't be made", name);
	b.dirs[0] = openat(dir, made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = b.dirs[0] < 0 ? -errno : build(in, &b, err);
	if (r >= 0 && renameat2(dir, made, dir, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	closefd(b.file);
	for (unsigned i = b.depth + 1; i-- > 0;)
		closefd(b.dirs[i]);
	*ret = b.told;
	if (r >= 0)
		return 0;
	remove_tree(dir, made, 0);
	return err->message[0]
		       ? r
		       : broken(err, r, "could not be written whole, and is as it was", name);
}

/* --- how it went --- */

int ctl_tree_tell(int fd, const struct ctl_tree_told *told, const struct err *err)
{
	char text[sizeof(*told) + CTL_TREE_TEXT_MAX] = "";

	memcpy(text, told, sizeof(*told));
	(void)snprintf(text + sizeof(*told), CTL_TREE_TEXT_MAX, "%s", err->message);
	return put(fd, TOLD, text, sizeof(text));
}

int ctl_tree_hear(int fd, struct ctl_tree_told *ret, struct err *err)
{
	_cleanup_(freep) char *data = xcalloc(1, CHUNK_MAX + 1);
	struct record rec;
	int r = get(fd, &rec, data);

	if (r >= 0)
		r = rec.kind == TOLD ? read_told(data, rec.size, ret, err) : -EBADMSG;
	return r < 0 && !err->message[0]
		       ? err_set(err, r, ERR_INTERNAL, NULL, "the copy was cut off")
		       : r;
}

/* --- where to --- */

int ctl_tree_target(
	const char *to, const char *from, int *ret_dir, char **ret_name, struct err *err)
{
	_cleanup_(freep) char *first = xstrdup(to), *second = xstrdup(to), *third = xstrdup(from);
	struct stat st;
	bool into = stat(to, &st) == 0 && S_ISDIR(st.st_mode);
	const char *name = into ? basename(third) : basename(second);

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
			"%.200s: has no name for a copy", into ? from : to);
	*ret_dir = open(into ? to : dirname(first), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return broken(err, -errno, "", to);
	*ret_name = xstrdup(name);
	return 0;
}
