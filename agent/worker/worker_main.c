/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-worker: one job after another, until the agent lets go of the channel; what a job is
 * stands in agent/worker/worker_job.h. `jobs` names them all, each with its act and its undo. A
 * worker knows nothing but what the job's text tells it: no configuration and no database.
 *
 * It is killed with the agent that started it, for a successor does the same job again, and two
 * must never work on one container. So each act can be made again after any part of it. It has
 * cleaned itself of the agent's signals, limits and environment before the first job, since what
 * liblxc forks inherits from it. The same program, started with WORKER_SESSION, is what enters a
 * container for a session. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/common/ctbounds.h"
#include "agent/worker/worker_act.h"
#include "agent/worker/worker_job.h"
#include "agent/worker/worker_session.h"
#include "agent/worker/worker_turn.h"
#include "lxc/ctenter.h"
#include "proto/chanio.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define TURN_WAIT_MS 60000L

/* Whose turn it takes (agent/worker/worker_turn.h): of what it changes. What only looks, or goes on
 * beside and after operations, takes none; nor does the host's end, which waits for nobody. */
enum turn { OF_NOBODY, OF_CONTAINER, OF_MANY, OF_IMAGE };

static const struct job_kind {
	const char *name;
	worker_act act, undo; /* NULL: there is none */
	enum turn turn;
} jobs[] = {
	{ "rootfs", worker_tree_create, worker_tree_remove, OF_CONTAINER },
	{ "copy", worker_tree_copy, worker_tree_remove, OF_CONTAINER },
	{ "launch", worker_life_launch, worker_life_kill, OF_CONTAINER },
	{ "ended", worker_life_ended, worker_life_launch, OF_CONTAINER },
	{ "kill", worker_life_kill, NULL, OF_CONTAINER },
	{ "groups", worker_life_groups, NULL, OF_NOBODY },
	{ "halt", worker_life_kill, worker_life_launch, OF_CONTAINER },
	{ "mounts", worker_mounts_set, NULL, OF_MANY },
	{ "mounts-own", worker_mounts_change, worker_mounts_change_back, OF_CONTAINER },
	{ "ramdisk-measure", worker_mounts_measure, NULL, OF_NOBODY },
	{ "renew", worker_tree_renew, NULL, OF_NOBODY },
	{ "root-measure", worker_tree_measure, NULL, OF_NOBODY },
	{ "limits", worker_limits_set, worker_limits_reset, OF_CONTAINER },
	{ "files", worker_files_write, worker_files_write, OF_CONTAINER },
	{ "freeze", worker_life_freeze, worker_life_thaw, OF_CONTAINER },
	{ "thaw", worker_life_thaw, worker_life_freeze, OF_CONTAINER },
	{ "snapshot", worker_tree_snapshot, worker_tree_snapshot_remove, OF_CONTAINER },
	{ "snapshot-remove", worker_tree_snapshot_remove, NULL, OF_CONTAINER },
	{ "restore", worker_tree_restore, worker_tree_revert, OF_CONTAINER },
	{ "sync-build", worker_tree_sync_build, worker_tree_revert, OF_CONTAINER },
	{ "sync", worker_tree_sync, worker_tree_revert, OF_CONTAINER },
	{ "settle", worker_tree_settle, NULL, OF_CONTAINER },
	{ "rootfs-remove", worker_tree_remove, NULL, OF_CONTAINER },
	{ "session", worker_life_session, NULL, OF_NOBODY },
	{ "net-sweep", worker_net_sweep, NULL, OF_NOBODY },
	{ "shutdown-all", worker_host_shutdown_all, NULL, OF_NOBODY },
	{ "remove-all", worker_host_remove_all, NULL, OF_MANY },
	{ "kexec-load", worker_host_load_kernel, worker_host_unload_kernel, OF_NOBODY },
	{ "reboot", worker_host_reboot, NULL, OF_NOBODY },
	{ "image-resolve", worker_image_resolve, NULL, OF_NOBODY },
	{ "image-fetch", worker_image_fetch, worker_image_drop, OF_IMAGE },
	{ "image-unpack", worker_image_unpack, worker_image_forget, OF_IMAGE },
	{ "image-verify", worker_image_verify, NULL, OF_IMAGE },
	{ "image-remove", worker_image_remove, NULL, OF_IMAGE },
};

/* --- reading one --- */

static int take_text(const json_t *v, const char *key, char **ret, struct err *err)
{
	const char *s;
	int r = jsonx_string(v, key, /* required= */ true, &s, ERR_CHANNEL, err);

	if (r >= 0)
		*ret = xstrdup(s);
	return r;
}

/* A job may be without: then nothing is bounded. */
static int bounds_read(const json_t *v, struct ctlife_bounds *ret, struct err *err)
{
	const struct {
		const char *name;
		int64_t *to;
	} all[] = {
		{ "cgroups", &ret->cgroups },
		{ "cgroup_depth", &ret->cgroup_depth },
		{ "namespaces", &ret->user.namespaces },
		{ "net_namespaces", &ret->user.net_namespaces },
		{ "inotify", &ret->user.inotify },
		{ "watches", &ret->user.watches },
		{ "tasks", &ret->tasks },
		{ "memory", &ret->memory },
	};
	int r = 0;

	ret->wanted = v;
	for (size_t i = 0; v && r >= 0 && i < countof(all); i++)
		r = jsonx_int(v, all[i].name, true, 0, INT64_MAX, all[i].to, ERR_CHANNEL, err);
	if (r >= 0 && v) {
		ret->tasks = ctbounds_tasks(ret->tasks);
		ret->memory = ctbounds_memory(ret->memory);
	}
	return r;
}

/* Those of a job that was announced are the next one's: to find the hierarchies takes as long as
 * all else that a job's text wants. */
static struct {
	char *prefix;
	struct ctgroup *groups;
} found;

static int open_groups(struct job *j, struct err *err)
{
	if (!found.groups || strcmp(found.prefix, j->prefix) != 0)
		return ctgroup_open(j->prefix, &j->life.groups, err);
	j->life.groups = found.groups;
	found.groups = NULL;
	return 0;
}

static void keep_groups(struct job *j)
{
	(void)ctgroup_close(found.groups);
	free(found.prefix);
	found.prefix = xstrdup(j->prefix);
	found.groups = j->life.groups;
	j->life.groups = NULL;
}

static int job_read(const json_t *v, struct job *j, struct err *err)
{
	const json_t *paths = json_object_get(v, "paths");
	int r = take_text(paths, "lxc", &j->lxc, err);

	if (r >= 0)
		r = take_text(paths, "pool", &j->pool, err);
	if (r >= 0)
		r = take_text(paths, "run", &j->run, err);
	if (r >= 0)
		r = take_text(v, "driver", &j->driver, err);
	if (r >= 0)
		r = take_text(v, "cgroup_prefix", &j->prefix, err);
	if (r >= 0)
		r = json_object_get(v, "container")
			    ? ctspec_from_json(json_object_get(v, "container"), &j->life.spec, err)
			    : 0;
	if (r >= 0) {
		j->params = json_object_get(v, "params");
		j->link = json_object_get(v, "link");
		j->files = json_object_get(j->params, "files");
	}
	if (r >= 0)
		r = bounds_read(json_object_get(v, "bounds"), &j->life.bounds, err);
	if (r < 0)
		return r;
	j->rootfs = xasprintf("%s/containers/%s/rootfs", j->pool, j->life.spec.id);
	j->life.monitors = j->fd;
	j->life.paths = (struct ctconf_paths){ .lxc = j->lxc,
		.rootfs = j->rootfs,
		.run = j->run,
		.cgroup_prefix = j->prefix,
		.environment = json_object_get(j->files, "env") };
	return 0;
}

static void job_done(struct job *j)
{
	char *texts[] = { j->lxc, j->pool, j->run, j->rootfs, j->driver, j->prefix, j->mounts,
		j->groups };

	for (size_t i = 0; i < countof(texts); i++)
		free(texts[i]);
	ctlife_let_go(&j->life);
	j->life.groups = ctgroup_close(j->life.groups);
	json_decref(j->result);
	j->pidfd = closefd(j->pidfd);
	j->fd = closefd(j->fd);
	if (j->linker > 0)
		(void)waitpid(j->linker, NULL, 0);
	j->linked = closefd(j->linked);
	j->mount = closefd(j->mount);
	j->turn = closefd(j->turn);
}

static long wait_ms(const struct job *j)
{
	long timeout_ms = (long)json_integer_value(json_object_get(j->params, "timeout_ms"));

	return timeout_ms > 0 ? MIN_OF(timeout_ms, TURN_WAIT_MS) : TURN_WAIT_MS;
}

static int take_turn(struct job *j, enum turn turn, struct err *err)
{
	const json_t *containers = json_object_get(j->params, "containers"),
		     *all = containers ? containers : json_object_get(j->params, "targets"), *brief;
	_cleanup_(freep) const char **names = xcalloc(json_array_size(all) + 1, sizeof(*names));
	const char *one = turn == OF_CONTAINER ? j->life.spec.id
			  : turn == OF_IMAGE
				  ? json_string_value(json_object_get(j->params, "digest"))
				  : NULL;
	size_t n = 0, i;

	if (turn == OF_NOBODY)
		return 0;
	if (turn == OF_MANY)
		json_array_foreach(all, i, brief)
			names[n++] = json_string_value(json_object_get(brief, "id"));
	else if (one)
		names[n++] = one;
	j->turn = worker_turn_take(j->run, names, n, wait_ms(j), err);
	return MIN_OF(j->turn, 0);
}

static const struct job_kind *find_kind(const char *name)
{
	for (size_t i = 0; name && i < countof(jobs); i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	return NULL;
}

static int job_run(const json_t *v, struct job *j, struct err *err)
{
	const char *name = json_string_value(json_object_get(v, "job")),
		   *verb = json_string_value(json_object_get(v, "verb"));
	const struct job_kind *kind = find_kind(name);
	worker_act does = NULL;
	int r = job_read(v, j, err);

	if (r >= 0)
		r = open_groups(j, err);
	j->whole = v;
	if (r < 0)
		return r;
	if (kind && verb && strcmp(verb, "act") == 0)
		does = kind->act;
	else if (kind && verb && strcmp(verb, "undo") == 0)
		does = kind->undo;
	if (!does)
		return err_set(err, -EINVAL, ERR_CHANNEL, "job", "no job %s with verb %s",
			name ? name : "?", verb ? verb : "?");
	r = take_turn(j, kind->turn, err);
	return r < 0 ? r : does(j, err);
}

/* --- serving --- */

static int answer(const struct job *j, int r, const struct err *err)
{
	struct frame f = { .type = FRAME_WORKER_RESULT, .a = r < 0 ? (uint64_t)-r : 0 };
	_cleanup_json_ json_t *v = r < 0       ? errjson_make(err)
				   : j->result ? json_incref(j->result)
					       : json_object();
	_cleanup_(freep) char *text = jsonx_dump(v);

	return chanio_send_sync(WORKER_JOB_FD, &f, text, strlen(text), r < 0 ? -1 : j->pidfd);
}

static int serve(const void *payload, size_t size, int fd)
{
	_cleanup_(job_done) struct job j = {
		.pidfd = -1, .fd = fd, .turn = -1, .linked = -1, .mount = -1
	};
	_cleanup_json_ json_t *v = NULL;
	struct err err = {};
	int r = jsonx_parse(payload, size, ERR_CHANNEL, &v, &err);

	if (r >= 0)
		r = job_run(v, &j, &err);
	return answer(&j, r, &err);
}

/* For whom a launch comes next; who isn't told is not worse off. */
static void go_ahead(const void *payload, size_t size)
{
	_cleanup_(job_done) struct job j = {
		.pidfd = -1, .fd = -1, .turn = -1, .linked = -1, .mount = -1
	};
	_cleanup_json_ json_t *v = NULL;
	struct err ignored = {};
	int r = jsonx_parse(payload, size, ERR_CHANNEL, &v, &ignored);

	if (r >= 0)
		r = job_read(v, &j, &ignored);
	if (r >= 0)
		worker_ahead_go(&j.life);
	if (r >= 0)
		r = open_groups(&j, &ignored);
	worker_ahead_pause(r < 0 ? NULL : j.life.groups);
	if (r >= 0)
		keep_groups(&j);
}

/* --- what enters a container --- */

static int read_text(json_t **ret, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(CTENTER_TEXT_FD, &st) < 0)
		return err_set(err, -errno, ERR_CHANNEL, NULL, "a session without a job");
	text = xcalloc(1, (size_t)st.st_size + 1);
	n = read(CTENTER_TEXT_FD, text, (size_t)st.st_size);
	(void)closefd(CTENTER_TEXT_FD);
	return jsonx_parse(text, (size_t)MAX_OF(n, 0), ERR_CHANNEL, ret, err);
}

static int session(void)
{
	_cleanup_(job_done) struct job j = {
		.pidfd = -1, .fd = CTENTER_FD, .turn = -1, .linked = -1, .mount = -1
	};
	_cleanup_json_ json_t *v = NULL;
	struct err err = {};
	int r = ctenter_begin();

	if (r < 0)
		return EXIT_FAILURE; /* called by hand */
	jsonx_init();
	ctlife_reset();
	r = read_text(&v, &err);
	if (r >= 0)
		r = job_read(v, &j, &err);
	if (r >= 0)
		r = open_groups(&j, &err);
	if (r < 0)
		worker_session_refuse(j.fd, &err);
	else
		worker_session(&j.life, j.fd);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], WORKER_SESSION) == 0)
		return session();
	/* An agent that is gone has a successor that does the same job again: it waits for us
	 * (agent/worker/worker_turn.h). What liblxc has forked by then is in the container's own
	 * group and is found there. The flag is not inherited by fork (prctl(2)), so no monitor has
	 * it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	jsonx_init();
	ctlife_reset();
	for (;;) {
		_cleanup_(freep) void *payload = NULL;
		struct frame f;
		int fd = -1;

		if (chanio_recv_sync(WORKER_JOB_FD, -1, &f, &payload, &fd) < 0)
			return EXIT_SUCCESS; /* the agent has let go of us */
		if (f.type == FRAME_WORKER_AHEAD) {
			go_ahead(payload, f.size);
			continue;
		}
		if (f.type != FRAME_WORKER_JOB)
			return EXIT_SUCCESS;
		if (serve(payload, f.size, fd) < 0)
			return EXIT_FAILURE;
	}
}
