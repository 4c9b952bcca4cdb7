/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl cp: a file into or out of a container, through a session in it, as its root: no path of
 * a container is ever resolved on the host, and no file of the host is seen in there. What a
 * container gives is bytes; where they go, and under which name, is the caller's word alone.
 * Directories go another way, for which nothing in the container is needed
 * (agent/ctl/ctl_inside.h).
 *
 * Both ways the file appears whole or not at all: under another name first, and then renamed, with
 * its permission bits and, to the second, its time; where there is no touch(1) or stat(1) in there
 * without them. A container's side counts what came, for a session that is cut off ends like one
 * that is done. What it says of mode and time comes behind the bytes, and is believed as they
 * are. */
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/stat.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_inside.h"
#include "agent/ctl/ctl_signal.h"
#include "agent/ctl/ctl_tree.h"

/* $1 path, $2 name where that is a directory, $3 mode, $4 size or -1, $5 time or nothing */
#define PUT                                                                  \
	"p=$1; [ -d \"$p\" ] && p=$p/$2; t=${p%/*}/.hoodyctl$$\n"            \
	"trap 'rm -f \"$t\"; exit 12' HUP TERM\n"                            \
	"(umask 077; cat >\"$t\") && { [ \"$4\" -lt 0 ] ||\n"                \
	"[ \"$(wc -c <\"$t\")\" -eq \"$4\" ]; } && chmod \"$3\" \"$t\" &&\n" \
	"{ [ -z \"$5\" ] || touch -c -d \"@$5\" \"$t\" || true; } &&\n"      \
	"mv -f \"$t\" \"$p\" && exit 0\n"                                    \
	"rm -f \"$t\"; exit 12\n"
/* $1 path, $2 how long what stands behind the bytes is: "mode time", and blanks */
static const char get[] = "[ -d \"$1\" ] && exit 13; [ -f \"$1\" ] || exit 11\n"
			  "cat \"$1\" && { [ \"$2\" = 0 ] ||\n"
			  "printf \"%-$2.$2s\" \"$(stat -L -c '%a %Y' \"$1\")\"; }\n";
#define BEHIND      32
#define BEHIND_TEXT "32"

#define NO_FILE      11
#define NOT_WRITTEN  12
#define IS_DIRECTORY 13

struct place {
	char *container; /* NULL: of this host */
	const char *path;
};

/* "web:/etc/motd"; a path of this host may hold colons behind a slash. */
static struct place place_of(const char *word)
{
	const char *colon = strchr(word, ':'), *slash = strchr(word, '/');

	if (!colon || colon == word || (slash && slash < colon))
		return (struct place){ NULL, word };
	return (struct place){ xasprintf("%.*s", (int)(colon - word), word), colon + 1 };
}

static enum ctl_exit refuse(struct err *err, const char *word, const char *why)
{
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL, "%.200s: %s", word, why);
	return CTL_USAGE;
}

static enum ctl_exit fail(struct err *err, int errnum, const char *path)
{
	(void)err_set(err, -errnum, ERR_INTERNAL, NULL, "%.200s: %s", path, strerror(errnum));
	return CTL_FAILED;
}

/* Run @words in there with @fd in the place of standard input or output, and nothing that it says
 * besides: a terminal is no place for a stranger's bytes. */
static enum ctl_exit run(const struct ctl *ctl, const struct place *p, const char *const *words,
	int fd, int as, struct err *err)
{
	_cleanup_(closep) int nothing = open("/dev/null", O_RDWR | O_CLOEXEC),
			      errors = dup(STDERR_FILENO);
	struct ctl session = *ctl;
	enum ctl_exit e;

	if (nothing < 0 || errors < 0 || dup2(nothing, as == STDIN_FILENO) < 0 ||
		dup2(fd, as) < 0 || dup2(nothing, STDERR_FILENO) < 0)
		return fail(err, errno, p->path);
	session.args[0] = p->container;
	session.rest = words;
	session.no_terminal = true;
	e = ctl_session_exec(&session, err);
	(void)dup2(errors, STDERR_FILENO);
	if (e == CTL_OK || (int)e == IS_DIRECTORY || err->message[0])
		return e;
	(void)err_set(err, -EREMOTEIO, ERR_INTERNAL, NULL, "%.100s in %.60s %s (%d)", p->path,
		p->container,
		(int)e == NO_FILE       ? "is no file"
		: (int)e == NOT_WRITTEN ? "could not be written whole, and is as it was"
					: "could not be copied: it needs sh, cat, wc and mv there",
		(int)e);
	return CTL_FAILED;
}

/* --- in --- */

static enum ctl_exit copy_in(
	const struct ctl *ctl, const char *from, const struct place *to, struct err *err)
{
	bool stream = strcmp(from, "-") == 0;
	_cleanup_(closep) int fd =
		stream ? dup(STDIN_FILENO)
		       : open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(freep) char *copy = xstrdup(from);
	char mode[8] = "644", size[24] = "-1", modified[24] = "";
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(err, errno, from);
	if (!stream && S_ISDIR(st.st_mode))
		return ctl_inside_copy_in(ctl, to->container, from, to->path, err);
	if (!stream && !S_ISREG(st.st_mode))
		return refuse(err, from, "is neither file nor directory");
	if (!stream) {
		(void)snprintf(mode, sizeof(mode), "%o", st.st_mode & 0777);
		(void)snprintf(size, sizeof(size), "%lld", (long long)st.st_size);
		(void)snprintf(modified, sizeof(modified), "%lld", (long long)st.st_mtim.tv_sec);
	}
	const char *const words[] = { "/bin/sh", "-c", PUT, "sh", to->path,
		stream ? "stdin" : basename(copy), mode, size, modified, NULL };

	return run(ctl, to, words, fd, STDIN_FILENO, err);
}

/* --- out --- */

/* What has come so far: it goes with us, whatever we wait for. */
static struct {
	int dir;
	const char *name, *to;
} half;

static void on_end(int sig)
{
	(void)unlinkat(half.dir, half.name, 0);
	(void)raise(sig); /* which ends us, as it would have */
}

/* Take "644 1700000000" off the end of the file, and do as it says, where it says anything. */
static int take_behind(int fd)
{
	char text[BEHIND + 1] = "";
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	unsigned mode = 0;
	long long modified_s = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < BEHIND || pread(fd, text, BEHIND, st.st_size - BEHIND) != BEHIND)
		return -EBADMSG;
	if (ftruncate(fd, st.st_size - BEHIND) < 0)
		return -errno;
	if (sscanf(text, "%4o %18lld", &mode, &modified_s) != 2)
		return 0;
	times[1].tv_sec = (time_t)modified_s;
	return fchmod(fd, mode & 0777) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static enum ctl_exit cut_off(struct err *err, const struct place *from)
{
	(void)err_set(err, -EBADMSG, ERR_INTERNAL, NULL, "%.100s in %.60s did not come whole",
		from->path, from->container);
	return CTL_FAILED;
}

/* The file, whole or not at all. */
static enum ctl_exit fetch(
	const struct ctl *ctl, const struct place *from, const char *to, struct err *err)
{
	const char *const words[] = { "/bin/sh", "-c", get, "sh", from->path, BEHIND_TEXT, NULL };
	_cleanup_(closep) int fd = -1;
	enum ctl_exit e;
	int r;

	(void)unlinkat(half.dir, half.name, 0); /* of a predecessor with our pid */
	fd = openat(half.dir, half.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(err, errno, to);
	e = run(ctl, from, words, fd, STDOUT_FILENO, err);
	r = e == CTL_OK ? take_behind(fd) : 0;
	if (r == -EBADMSG)
		e = cut_off(err, from);
	else if (r < 0)
		e = fail(err, -r, to);
	if (e == CTL_OK && (fsync(fd) < 0 || renameat(half.dir, half.name, half.dir, half.to) < 0))
		e = fail(err, errno, to);
	if (e != CTL_OK)
		(void)unlinkat(half.dir, half.name, 0); /* the first failure is the one to tell */
	return e;
}

static enum ctl_exit pass_on(const struct ctl *ctl, const struct place *from, struct err *err)
{
	const char *const words[] = { "/bin/sh", "-c", get, "sh", from->path, "0", NULL };
	_cleanup_(closep) int fd = dup(STDOUT_FILENO);
	enum ctl_exit e;

	if (fd < 0)
		return fail(err, errno, "-");
	e = run(ctl, from, words, fd, STDOUT_FILENO, err);
	return (int)e == IS_DIRECTORY ? refuse(err, from->path, "is a directory") : e;
}

static enum ctl_exit copy_out(
	const struct ctl *ctl, const struct place *from, const char *to, struct err *err)
{
	_cleanup_(freep) char *name = NULL, *made = NULL;
	_cleanup_(closep) int dir = -1;
	enum ctl_exit e;

	if (strcmp(to, "-") == 0)
		return pass_on(ctl, from, err);
	if (from->path[strlen(from->path) - 1] == '/') /* so it needn't be asked, of a shell */
		return ctl_inside_copy_out(ctl, from->container, from->path, to, err);
	if (ctl_tree_target(to, from->path, &dir, &name, err) < 0)
		return CTL_USAGE;
	made = xasprintf(".%.200s.%d.new", name, (int)getpid());
	half.dir = dir;
	half.name = made;
	half.to = name;
	ctl_signal_hear(on_end);
	e = fetch(ctl, from, to, err);
	ctl_signal_hear(NULL);
	return (int)e == IS_DIRECTORY
		       ? ctl_inside_copy_out(ctl, from->container, from->path, to, err)
		       : e;
}

enum ctl_exit ctl_cp(const struct ctl *ctl, struct err *err)
{
	struct place from = place_of(ctl->args[0]), to = place_of(ctl->args[1]);
	_cleanup_(freep) char *source = from.container, *target = to.container;
	const struct place *inside = source ? &from : &to;

	if (!source == !target)
		return refuse(err, ctl->args[1], "one of the two must be CONTAINER:PATH");
	if (inside->path[0] != '/')
		return refuse(err, inside->path, "a path in a container begins with /");
	return source ? copy_out(ctl, &from, ctl->args[1], err)
		      : copy_in(ctl, ctl->args[0], &to, err);
}
