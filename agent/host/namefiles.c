/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaves live in an empty root with copies of the host's resolver files. Here those copies are
 * kept equal to the originals: what leads to each file is watched, link by link, each directory
 * on the way for its entry, and the file itself, which may be written or mounted over. Whatever
 * happens starts one timer; when it ends all watches are made anew, and then the files are read:
 * in this order, so that what comes between is seen.
 *
 * A copy is written in place, without being cut off first since a leaf may be reading it. A file
 * that is missing, or is no regular file, is an empty copy. Only if one has become another are
 * leaves and forwarders told. One that can't be written keeps no other back, and the timer begins
 * anew, with a back-off. What the files say isn't read here. */
#include "agent/host/namefiles.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/common/agent.h"
#include "agent/common/backoff.h"
#include "agent/common/journald.h"
#include "agent/common/spawn.h"
#include "agent/host/forwarder.h"

#define FILE_MAX_BYTES (64 * 1024)
#define LINKS_MAX      8           /* from /etc to the file */
#define SETTLE_US      (50 * 1000) /* who writes a file writes more than once */
#define IN_DIRECTORY   (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define IN_FILE        (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)

static const char *const names[] = { "resolv.conf", "hosts", "nsswitch.conf", "host.conf",
	"gai.conf", "services" };

struct watch {
	struct namefiles *files;
	sd_event_source *source;
	char *name; /* waited for in a directory; NULL: a file, and all that happens to it */
};

struct namefiles {
	struct agent *agent;
	char *directory;
	sd_event_source *settle;
	struct watch watch[countof(names) * (LINKS_MAX + 1)];
	size_t n;
	bool blind;   /* and said so */
	bool changed; /* and nobody told */
	struct backoff backoff;
};

/* --- the copies --- */

/* Less than nothing: it isn't there, or is no file. Never waits: a pipe may stand there. */
static ssize_t read_source(const char *path, char text[static FILE_MAX_BYTES])
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return read(fd, text, FILE_MAX_BYTES);
}

/* Not cut off first: who reads it meanwhile finds the whole of the one or the other, as far as it
 * is a page. */
static int write_copy(int fd, const char *text, size_t size)
{
	ssize_t n = pwrite(fd, text, size, 0);

	if (n < 0)
		return -errno;
	if ((size_t)n < size)
		return -ENOSPC;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

/* > 0: it is another now. */
static int copy(const struct namefiles *n, const char *name)
{
	_cleanup_(freep) char *from = xasprintf("/etc/%s", name);
	_cleanup_(freep) char *to = xasprintf("%s/%s", n->directory, name);
	_cleanup_(freep) char *fresh = xcalloc(2, FILE_MAX_BYTES);
	char *old = fresh + FILE_MAX_BYTES;
	ssize_t had, found = read_source(from, fresh), size = MAX_OF(found, 0);
	_cleanup_(closep) int fd = open(to, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	int r;

	if (fd < 0 || fchmod(fd, 0444) < 0) /* whatever our umask */
		return -errno;
	had = read(fd, old, FILE_MAX_BYTES);
	if (had == size && memcmp(old, fresh, (size_t)size) == 0)
		return 0;
	r = write_copy(fd, fresh, (size_t)size);
	return r < 0 ? r : 1;
}

/* All that can be. */
static int copy_all(struct namefiles *n)
{
	int failed = 0;

	for (size_t i = 0; i < countof(names); i++) {
		int r = copy(n, names[i]);

		if (r < 0)
			failed = r;
		n->changed = n->changed || r > 0;
	}
	return failed;
}

/* --- what is watched --- */

static void look_in(struct namefiles *n, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(n->settle, usec);
	(void)sd_event_source_set_enabled(n->settle, SD_EVENT_ONESHOT);
}

static int on_event(sd_event_source *s, const struct inotify_event *e, void *userdata)
{
	const struct watch *w = userdata;
	int enabled = SD_EVENT_OFF;

	if (w->name && !(e->mask & IN_Q_OVERFLOW) && (e->len == 0 || strcmp(e->name, w->name) != 0))
		return 0;
	(void)sd_event_source_get_enabled(w->files->settle, &enabled);
	if (enabled == SD_EVENT_OFF)
		look_in(w->files, SETTLE_US);
	return 0;
}

static int add_watch(struct namefiles *n, const char *path, uint32_t mask, const char *name)
{
	struct watch *w = &n->watch[n->n];
	int r;

	assert(n->n < countof(n->watch));
	r = sd_event_add_inotify(n->agent->event, &w->source, path, mask, on_event, w);
	if (r < 0)
		return r;
	w->files = n;
	w->name = name ? xstrdup(name) : NULL;
	n->n++;
	return 0;
}

/* Where @path is or would be; what leads there and isn't yet is waited for one directory further
 * up. */
static int watch_directory(struct namefiles *n, const char *path)
{
	_cleanup_(freep) char *directory = xstrdup(path);
	char *slash = strrchr(directory, '/');
	int r = -ENOENT;

	while (r == -ENOENT && slash && slash != directory) {
		*slash = '\0';
		r = add_watch(n, directory, IN_DIRECTORY | IN_ONLYDIR, slash + 1);
		slash = strrchr(directory, '/');
	}
	return r;
}

/* Replaces *@path by where the link there leads; false: it is none. */
static bool follow(char **path)
{
	char target[PATH_MAX];
	ssize_t size = readlink(*path, target, sizeof(target) - 1);
	char *next;

	if (size <= 0)
		return false;
	target[size] = '\0';
	next = target[0] == '/'
		       ? xstrdup(target)
		       : xasprintf("%.*s/%s", (int)(strrchr(*path, '/') - *path), *path, target);
	free(*path);
	*path = next;
	return true;
}

/* Each link on the way may be replaced as well as the file, which may also be mounted where it
 * stands. */
static int watch_file(struct namefiles *n, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("/etc/%s", name);
	int r = 0;

	for (int i = 0; i < LINKS_MAX && r >= 0; i++) {
		r = watch_directory(n, path);
		if (r >= 0 && !follow(&path))
			break;
	}
	if (r >= 0)
		r = add_watch(n, path, IN_FILE, NULL);
	return r == -ENOENT || r == -ELOOP ? 0 : r;
}

static void unwatch(struct namefiles *n)
{
	for (; n->n > 0; n->n--) {
		struct watch *w = &n->watch[n->n - 1];

		w->source = sd_event_source_disable_unref(w->source);
		free(w->name);
		w->name = NULL;
	}
}

static void watch_all(struct namefiles *n)
{
	int r = 0;

	unwatch(n);
	for (size_t i = 0; i < countof(names) && r >= 0; i++)
		r = watch_file(n, names[i]);
	if (r < 0 && !n->blind)
		LOG(LOG_WARNING, NAMES_CHANGED, FIELDS(.errnum = -r),
			"the host's resolver files can't be watched, and are read again when the "
			"configuration is: %s",
			strerror(-r));
	n->blind = r < 0;
}

/* --- renewed --- */

/* Said once, not at each try. */
static void try_later(struct namefiles *n, int r)
{
	if (n->backoff.failures == 0)
		LOG(LOG_ERR, NAMES_CHANGED, FIELDS(.errnum = -r),
			"the leaves' resolver files in %s can't be written: %s", n->directory,
			strerror(-r));
	look_in(n, backoff_failed(&n->backoff, BACKOFF_FIRST_MS, 0, randombytes_random()) * 1000);
}

/* First watched, then read: what comes between is seen. */
void namefiles_renew(struct namefiles *n)
{
	int r;

	watch_all(n);
	r = copy_all(n);
	if (r < 0)
		try_later(n, r);
	else
		backoff_succeeded(&n->backoff);
	if (!n->changed)
		return;
	n->changed = false;
	LOG(LOG_INFO, NAMES_CHANGED, NO_FIELDS,
		"the host's resolver files have changed, and the leaves follow");
	n->agent->listener->names_changed(n->agent);
	forwarder_names_changed(n->agent);
}

static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
	namefiles_renew(userdata);
	return 0;
}

/* --- beginning and end --- */

int namefiles_new(struct agent *a, struct namefiles **ret, struct err *err)
{
	struct namefiles *n = xcalloc(1, sizeof(*n));
	int r;

	*ret = n;
	n->agent = a;
	n->directory = xasprintf("%s/" SPAWN_ETC, a->conf.node.runtime_directory);
	if ((mkdir(n->directory, 0755) < 0 && errno != EEXIST) || chmod(n->directory, 0755) < 0)
		return err_set(err, -errno, ERR_CONFIG, "Node.RuntimeDirectory",
			"can't make %s: %s", n->directory, strerror(errno));
	/* Watched from the loop's first turn on: what sd-event holds open while it adds watches
	 * would make holes below what is opened for good. */
	r = sd_event_add_time(a->event, &n->settle, CLOCK_MONOTONIC, 0, 1, on_settled, n);
	if (r < 0)
		return r;
	r = copy_all(n);
	n->changed = false; /* there are no leaves yet */
	return r < 0 ? err_set(err, r, ERR_CONFIG, "Node.RuntimeDirectory",
			       "can't write what the leaves read in %s: %s", n->directory,
			       strerror(-r))
		     : 0;
}

struct namefiles *namefiles_free(struct namefiles *n)
{
	if (n) {
		unwatch(n);
		n->settle = sd_event_source_disable_unref(n->settle);
		free(n->directory);
		free(n);
	}
	return NULL;
}
