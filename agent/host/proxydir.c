/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files for the node's reverse proxy: a document for each project, container and alias, and
 * map.json with all containers. A document is written when its order says so, and the order
 * fails with it; the map follows from the wanted state, MAP_USEC after a change, and only when
 * its containers differ from those written last, or it is to be shown that it can be written
 * again. Everything is written beside and renamed:
 * readers see the whole of the old or of the new.
 *
 * The store is the truth, and files are read back to see whether they are as it has them, and for
 * the map's generation, which must not go backwards. At the start what stands for nothing is
 * removed, and what is not as it should be written again. What can't be written is `behind`, by
 * its name, and tried again as the store then has it; who succeeds in writing that name first
 * takes it out. What a document says is the control API's affair and the proxy's. */
#include "agent/host/proxydir.h"
#include "agent/state/journal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "agent/common/backoff.h"
#include "agent/common/journald.h"
#include "agent/state/aliaslist.h"
#include "agent/state/desired.h"
#include "agent/state/doclist.h"
#include "proto/jsonx.h"

#define MAP       "map.json"
#define TEMPORARY ".new"
#define MAP_USEC  20000
#define NAME_SIZE 128

static const char *const folders[PROXYDIR_KINDS] = {
	[PROXYDIR_PROJECT] = "projects",
	[PROXYDIR_CONTAINER] = "containers",
	[PROXYDIR_ALIAS] = "aliases",
};
/* Of documents, in the store. */
static const char *const scopes[PROXYDIR_ALIAS] = {
	[PROXYDIR_PROJECT] = "project",
	[PROXYDIR_CONTAINER] = "container",
};

struct proxydir {
	struct agent *agent;
	int top, folder[PROXYDIR_KINDS];
	sd_event_source *timer;         /* writes the map, and what is behind */
	json_t *behind[PROXYDIR_KINDS]; /* names, as the members of an object */
	struct backoff backoff;
	json_int_t generation;
	char *written; /* the containers of the map as it stands there */
	bool unsure;   /* whether one can be written: the last try has failed */
};

/* --- files --- */

/* Whole or not at all. @durable: also through a power cut, for which what a reader finds right
 * after the boot would else be an empty file. */
static int put_text(int folder, const char *name, const char *text, bool durable)
{
	_cleanup_(closep) int fd = -1;
	int r;

	(void)unlinkat(folder, TEMPORARY, 0);
	fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	if (durable && fdatasync(fd) < 0)
		return -errno;
	closep(&fd); /* now, so that whoever watches the folder hears of the rename alone */
	return renameat(folder, TEMPORARY, folder, name) < 0 ? -errno : 0;
}

int proxydir_put(struct proxydir *p, enum proxydir_kind kind, const char *name,
	const json_t *content, struct err *err)
{
	_cleanup_(freep) char *text = content ? jsonx_dump(content) : NULL;
	char file[NAME_SIZE];
	int r = 0;

	(void)snprintf(file, sizeof(file), "%s.json", name);
	if (text)
		r = put_text(p->folder[kind], file, text, /* durable= */ true);
	else if (unlinkat(p->folder[kind], file, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0) {
		(void)json_object_del(p->behind[kind], name);
		return 0;
	}
	jsonx_set(p->behind[kind], name, json_null());
	proxydir_map_changed(p);
	return err_set(err, r, r == -ENOSPC || r == -EDQUOT ? ERR_DISK_FULL : ERR_INTERNAL,
		"Proxy.Directory", "%s/%s can't be written: %s", folders[kind], file, strerror(-r));
}

static json_t *wanted_of(const struct proxydir *p, enum proxydir_kind kind)
{
	struct store *s = p->agent->store;

	return kind == PROXYDIR_ALIAS ? aliaslist_files(s, journal_trusted_now_ms(s))
				      : doclist_all(s, scopes[kind]);
}

static int put_behind(struct proxydir *p, struct err *err)
{
	int r = 0;

	for (int k = 0; k < PROXYDIR_KINDS; k++) {
		_cleanup_json_ json_t *names = json_copy(p->behind[k]),
				      *wanted = json_object_size(names) > 0
							? wanted_of(p, (enum proxydir_kind)k)
							: NULL;
		const char *name;
		json_t *v;

		json_object_foreach(names, name, v)
			r = MIN_OF(r, proxydir_put(p, (enum proxydir_kind)k, name,
					      json_object_get(wanted, name), err));
	}
	return r;
}

/* --- at the start --- */

/* Each that is written waits for the disk: thousands that have not changed would keep a start from
 * ending. */
static bool is_there(
	const struct proxydir *p, enum proxydir_kind kind, const char *name, const json_t *content)
{
	_cleanup_(freep) char *text = jsonx_dump(content), *there = NULL;
	const size_t size = strlen(text);
	_cleanup_(closep) int fd = -1;
	char file[NAME_SIZE];
	struct stat st;

	(void)snprintf(file, sizeof(file), "%s.json", name);
	fd = openat(p->folder[kind], file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_mode != (S_IFREG | 0600) ||
		st.st_uid != geteuid() || st.st_size != (off_t)size)
		return false;
	there = xcalloc(1, size + 1);
	return read(fd, there, size) == (ssize_t)size && memcmp(there, text, size) == 0;
}

static void put_all(struct proxydir *p, enum proxydir_kind kind, const json_t *wanted)
{
	const char *name;
	json_t *content;
	struct err err;

	json_object_foreach((json_t *)(uintptr_t)wanted, name, content)
		if (!is_there(p, kind, name, content))
			(void)!proxydir_put(p, kind, name, content, &err);
}

/* Files that nothing stands for any more: a predecessor's that died between its journal and
 * them. */
static void remove_others(struct proxydir *p, enum proxydir_kind kind, const json_t *wanted)
{
	int copy = openat(p->folder[kind], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct err err;

	while (d && (e = readdir(d))) {
		char name[NAME_SIZE];
		size_t len = strlen(e->d_name);

		if (len < 5 || len >= sizeof(name) || strcmp(e->d_name + len - 5, ".json") != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)(len - 5), e->d_name);
		if (!json_object_get(wanted, name))
			(void)!proxydir_put(p, kind, name, NULL, &err);
	}
	if (d)
		(void)closedir(d);
}

void proxydir_start(struct proxydir *p)
{
	for (int k = 0; k < PROXYDIR_KINDS; k++) {
		_cleanup_json_ json_t *wanted = wanted_of(p, (enum proxydir_kind)k);

		remove_others(p, (enum proxydir_kind)k, wanted);
		put_all(p, (enum proxydir_kind)k, wanted);
	}
	proxydir_map_changed(p);
}

/* --- the map --- */

static json_t *map_of(const struct agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);
		const uint32_t wire = htonl(c->spec.ipv4);
		char ipv4[INET_ADDRSTRLEN];

		(void)json_array_append_new(
			list, jsonx_pack("{s:s, s:s, s:s, s:s}", "id", c->spec.id, "project_id",
				      c->spec.project_id, "ipv4",
				      inet_ntop(AF_INET, &wire, ipv4, sizeof(ipv4)), "status",
				      desired_status_name(c->status)));
	}
	return list;
}

static int put_map(struct proxydir *p, struct err *err)
{
	_cleanup_json_ json_t *list = map_of(p->agent), *map = NULL;
	_cleanup_(freep) char *text = NULL, *containers = jsonx_dump(list);
	int r;

	if (!p->unsure && p->written && strcmp(containers, p->written) == 0)
		return 0;
	map = jsonx_pack("{s:I, s:s, s:O}", "generation", p->generation + 1, "node",
		p->agent->conf.node.name, "containers", list);
	text = jsonx_dump(map);
	r = put_text(p->top, MAP, text, /* durable= */ false);
	p->unsure = r < 0;
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, "Proxy.Directory", MAP " can't be written: %s",
			strerror(-r));
	p->generation++;
	free(p->written);
	p->written = TAKE(containers);
	return 0;
}

static void again_in(struct proxydir *p, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(p->timer, usec);
	(void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

/* What fails is said once, not at each try. */
static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct proxydir *p = userdata;
	struct err err = {};
	int behind = put_behind(p, &err), map = put_map(p, &err);

	if (behind >= 0 && map >= 0) {
		backoff_succeeded(&p->backoff);
		return 0;
	}
	if (p->backoff.failures == 0)
		LOG(LOG_ERR, PROXY_FILES, FIELDS(.err = &err), "%s", err.message);
	again_in(p, backoff_failed(&p->backoff, BACKOFF_FIRST_MS, 0, randombytes_random()) * 1000);
	return 0;
}

static void on_status(void *userdata)
{
	proxydir_map_changed(userdata);
}

void proxydir_map_changed(struct proxydir *p)
{
	int on;

	if (!p || (sd_event_source_get_enabled(p->timer, &on) > 0 && on != SD_EVENT_OFF))
		return;
	again_in(p, MAP_USEC);
}

/* A reader must never see a generation twice, also when a power cut has taken the last map: so each
 * run of the agent begins at the clock's milliseconds, which no run can count as fast as they
 * pass. */
static json_int_t first_generation(int top, int64_t now_ms)
{
	_cleanup_(closep) int fd = openat(top, MAP, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_json_ json_t *map = fd < 0 ? NULL : jsonx_read(fd);

	return MAX_OF(json_integer_value(json_object_get(map, "generation")), now_ms);
}

/* --- life --- */

static int open_folder(int at, const char *path)
{
	int fd;

	if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int proxydir_new(struct agent *a, struct proxydir **ret, struct err *err)
{
	struct proxydir *p = xcalloc(1, sizeof(*p));
	int r;

	p->agent = a;
	for (int k = 0; k < PROXYDIR_KINDS; k++) {
		p->folder[k] = -1;
		p->behind[k] = json_object();
	}
	p->top = r = open_folder(AT_FDCWD, a->conf.proxy.directory);
	for (int k = 0; k < PROXYDIR_KINDS && r >= 0; k++)
		p->folder[k] = r = open_folder(p->top, folders[k]);
	if (r >= 0)
		r = sd_event_add_time_relative(
			a->event, &p->timer, CLOCK_MONOTONIC, MAP_USEC, 1, on_time, p);
	if (r < 0) {
		proxydir_free(p);
		return err_set(err, r, ERR_CONFIG, "Proxy.Directory", "can't use %s: %s",
			a->conf.proxy.directory, strerror(-r));
	}
	p->generation = first_generation(p->top, journal_trusted_now_ms(a->store));
	desired_on_status(a->desired, on_status, p);
	*ret = p;
	return 0;
}

struct proxydir *proxydir_free(struct proxydir *p)
{
	if (p) {
		desired_on_status(p->agent->desired, NULL, NULL);
		p->timer = sd_event_source_disable_unref(p->timer);
		for (int k = 0; k < PROXYDIR_KINDS; k++) {
			p->folder[k] = closefd(p->folder[k]);
			json_decref(p->behind[k]);
		}
		p->top = closefd(p->top);
		free(p->written);
		free(p);
	}
	return NULL;
}
