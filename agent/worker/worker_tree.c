/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jobs on trees: roots, snapshots, copies. */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "agent/worker/worker_act.h"
#include "agent/worker/worker_job.h"
#include "lxc/cthold.h"
#include "proto/chanio.h"
#include "proto/jsonx.h"
#include "storage/path.h"
#include "storage/pool.h"
#include "storage/quota.h"
#include "storage/ramdisk.h"
#include "storage/treesize.h"

#define ROOT_FILES_MAX 10000000

/* A walk holds one for each file with several names, of which a container makes as many as it
 * likes. */
static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static void on_progress(const struct treecopy *t, void *userdata)
{
	struct frame f = { .type = FRAME_WORKER_PROGRESS, .a = ~0ULL, .b = t->bytes };

	if (chanio_send_sync(WORKER_JOB_FD, &f, NULL, 0, -1) < 0)
		return; /* the agent is gone, and so are we in a moment */
}

int worker_tree_open_pool(const struct job *j, struct pool *ret, struct err *err)
{
	int r = pool_open(j->pool, j->driver, ret, err);

	raise_file_limit();
	if (r >= 0) {
		ret->progress = on_progress;
		ret->quota = (struct quota){ j->life.spec.id_base, j->life.spec.limits.disk_bytes };
	}
	return r;
}

static const char *text(const struct job *j, const char *key)
{
	return json_string_value(json_object_get(j->params, key));
}

static struct pool_root root_of(const struct job *j, char hostname[static CTSPEC_HOSTNAME_MAX + 1])
{
	const struct ctspec *s = &j->life.spec;

	ctspec_hostname(s, hostname);
	return (struct pool_root){ s->id, s->image, hostname, text(j, "digest"), s->id_base };
}

/* Of the container whose files are read. NULL when it does not run. What a killed predecessor has
 * left frozen is let go first. */
static const struct pool_hold *hold_of(
	struct job *j, const char *id, struct cthold *hold, struct pool_hold *ret)
{
	if (!json_is_true(json_object_get(j->params, "running")))
		return NULL;
	*hold = (struct cthold){ .groups = j->life.groups, .id = id, .pipe = -1 };
	(void)!ctgroup_set_frozen(j->life.groups, id, false, 0);
	*ret = (struct pool_hold){ cthold_freeze, cthold_thaw, hold };
	return ret;
}

/* --- a root --- */

int worker_tree_create(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	char hostname[CTSPEC_HOSTNAME_MAX + 1];
	const struct pool_root root = root_of(j, hostname);
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = pool_create_root(&pool, &root, err);
	if (r >= 0)
		r = worker_files_write_all(j, true, err);
	return r;
}

int worker_tree_copy(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	char hostname[CTSPEC_HOSTNAME_MAX + 1];
	const struct pool_root root = root_of(j, hostname);
	const char *source = text(j, "source");
	struct pool_hold form;
	struct cthold hold;
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = pool_copy_root(&pool, &root, source, text(j, "snapshot"),
			hold_of(j, source, &hold, &form), err);
	return r < 0 ? r : worker_files_write(j, err);
}

/* Durable before the order's end is: a commit that overwrites the log in place, as most do, brings
 * no change of a directory to the disk with it. */
static int remove_lxc_directory(const struct job *j, struct err *err)
{
	_cleanup_(closep) int dir = open(j->lxc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : path_remove_tree(dir, j->life.spec.id);

	if (r >= 0 && fsync(dir) < 0)
		r = -errno;
	return r < 0 && r != -ENOENT ? err_set(err, r, ERR_INTERNAL, "Node.StateDirectory",
					       "can't clear %s: %s", j->lxc, strerror(-r))
				     : 0;
}

int worker_tree_remove(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = worker_mounts_remove(j, err);
	if (r >= 0)
		r = pool_remove_root(&pool, j->life.spec.id, err);
	return r < 0 ? r : remove_lxc_directory(j, err);
}

/* The process ends after its job, and its priority with it. */
static void step_back(void)
{
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(
		SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

int worker_tree_measure(struct job *j, struct err *err)
{
	int64_t bytes;
	int r;

	raise_file_limit();
	if (json_is_true(json_object_get(j->params, "idle")))
		step_back();
	r = treesize_run(open(j->rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
		ROOT_FILES_MAX, &bytes);
	worker_job_set_result(j, "root", r < 0 && r != -E2BIG ? json_null() : json_integer(bytes));
	return 0;
}

int worker_tree_renew(struct job *j, struct err *err)
{
	_cleanup_(closep) int pool = open(j->pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = pool < 0 ? -errno : quota_recount(pool);

	ramdisk_renew(j->run);
	if (r == 0)
		quota_sweep(pool);
	if (r > 0)
		worker_job_set_result(j, "recount", json_true());
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Storage.Pool",
			       "what the pool's subvolumes take can't be counted anew: %s",
			       strerror(-r))
		     : 0;
}

/* --- snapshots --- */

int worker_tree_snapshot(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	const char *id = j->life.spec.id;
	struct pool_hold form;
	struct cthold hold;
	int r = worker_tree_open_pool(j, &pool, err);

	if (r >= 0)
		r = pool_snapshot(&pool, id, text(j, "name"), hold_of(j, id, &hold, &form), err);
	if (r >= 0)
		j->result = jsonx_pack("{s:I}", "size", (json_int_t)pool.bytes);
	return r;
}

int worker_tree_snapshot_remove(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : pool_remove_snapshot(&pool, j->life.spec.id, text(j, "name"), err);
}

/* --- another root --- */

int worker_tree_restore(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	char hostname[CTSPEC_HOSTNAME_MAX + 1];
	const struct pool_root root = root_of(j, hostname);
	bool foreign = json_is_true(json_object_get(j->params, "foreign"));
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : pool_restore(&pool, &root, text(j, "name"), foreign, err);
}

int worker_tree_sync_build(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	const char *source = text(j, "source");
	struct pool_hold form;
	struct cthold hold;
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r
		     : pool_sync_build(&pool, j->life.spec.id, source,
			       hold_of(j, source, &hold, &form), err);
}

int worker_tree_sync(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : pool_sync(&pool, j->life.spec.id, err);
}

int worker_tree_revert(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : pool_revert(&pool, j->life.spec.id, err);
}

int worker_tree_settle(struct job *j, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	bool keep = json_is_true(json_object_get(j->params, "keep_base"));
	int r = worker_tree_open_pool(j, &pool, err);

	return r < 0 ? r : pool_settle(&pool, j->life.spec.id, keep, err);
}
