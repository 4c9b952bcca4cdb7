/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job on what of the host is mounted in containers, and what a launch needs of it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/common/spawn.h"
#include "agent/worker/worker_act.h"
#include "lxc/ctprobe.h"
#include "proto/jsonx.h"
#include "storage/mounts.h"
#include "storage/ramdisk.h"

#define KVM_MAJOR 10 /* Documentation/admin-guide/devices.txt: misc */
#define KVM_MINOR 232
#define PIDS_MAX  65536

/* --- before a launch --- */

/* What hoody-mounts reads. */
static int write_wanted(const struct job *j, const char *id, const json_t *wanted, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s/mounts", j->lxc, id);
	_cleanup_json_ json_t *v = jsonx_pack(
		"{s:s, s:s, s:s, s:O}", "id", id, "pool", j->pool, "run", j->run, "wanted", wanted);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	_cleanup_(freep) char *text = jsonx_dump(v);
	int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	closefd(fd);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, "Node.StateDirectory", "can't write %s: %s",
			       path, strerror(-r))
		     : 0;
}

/* What liblxc's own entries can't mount: its private ramdisk is one of those. */
bool worker_mounts_need_hook(const struct job *j)
{
	json_t *wish;
	size_t i;

	json_array_foreach(json_object_get(j->params, "mounts"), i, wish) {
		const char *map = json_string_value(json_object_get(wish, "map"));

		if (!map || strcmp(map, "none") != 0)
			return true;
	}
	return false;
}

static const char *project_of(const struct ctspec *s)
{
	return s->ramdisk_project ? s->project_id : NULL;
}

int worker_mounts_prepare(struct job *j, struct err *err)
{
	const struct ctspec *s = &j->life.spec;
	_cleanup_(freep) char *dir = xasprintf("%s/%s", j->lxc, s->id);
	_cleanup_(freep) char *program = spawn_find("hoody-mounts");
	int r = 0;

	if (s->ramdisk)
		r = ramdisk_prepare(j->run, s->id, s->id_base, project_of(s), err);
	if (r >= 0 && s->kvm)
		r = ramdisk_make_device(
			j->run, s->id, s->id_base, makedev(KVM_MAJOR, KVM_MINOR), err);
	if (r < 0 || !worker_mounts_need_hook(j))
		return r;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, ERR_INTERNAL, "Node.StateDirectory",
			"can't make %s: %s", dir, strerror(errno));
	free(j->mounts);
	j->mounts = xasprintf("%s %s/mounts", program, dir);
	j->life.paths.mounts = j->mounts;
	return write_wanted(j, s->id, json_object_get(j->params, "mounts"), err);
}

/* --- while it runs --- */

struct pids {
	pid_t *at;
	size_t n;
};

static int add_pid(pid_t pid, void *userdata)
{
	struct pids *p = userdata;

	p->at = xrealloc(p->at, p->n + 1, sizeof(*p->at));
	p->at[p->n++] = pid;
	return p->n >= PIDS_MAX;
}

static int reconcile(
	struct job *j, const char *id, const json_t *wanted, json_t **ret, struct err *err)
{
	struct mounts_target t = { .id = id, .pool = j->pool, .run = j->run };
	struct pids pids = {};
	int r = ctprobe_find(j->life.groups, id, &t.init, NULL, err);

	if (r < CTPROBE_RUNNING) {
		*ret = r < 0 ? NULL : json_object();
		return MIN_OF(r, 0);
	}
	r = write_wanted(j, id, wanted, err);
	if (r < 0)
		return r;
	r = ctgroup_each_pid(j->life.groups, id, "payload", add_pid, &pids);
	t.pids = pids.at;
	t.n_pids = pids.n;
	if (r < 0)
		r = err_set(err, r, ERR_INTERNAL, NULL,
			"the container's processes can't be listed: %s", strerror(-r));
	else
		r = mounts_reconcile(&t, wanted, ret, err);
	free(pids.at);
	return r;
}

/* One target that has ended, or is damaged, is not the others' misfortune. */
int worker_mounts_set(struct job *j, struct err *err)
{
	json_t *all = json_object(), *target, *result = NULL;
	size_t i;

	json_array_foreach(json_object_get(j->params, "targets"), i, target) {
		const char *id = json_string_value(json_object_get(target, "id"));
		struct err why = {};

		if (reconcile(j, id, json_object_get(target, "mounts"), &result, &why) < 0)
			result = jsonx_pack("{s:{s:s}}", "", "message", why.message);
		jsonx_set(all, id, result);
	}
	worker_job_set_result(j, "mounts", all);
	return 0;
}

/* Of the job's own container: after its launch, and when its ramdisk changes. */
int worker_mounts_own(struct job *j, struct err *err)
{
	const struct ctspec *s = &j->life.spec;
	json_t *result = NULL, *all;
	int r = s->ramdisk ? ramdisk_prepare(j->run, s->id, s->id_base, project_of(s), err) : 0;

	if (r >= 0)
		r = reconcile(j, s->id, json_object_get(j->params, "mounts"), &result, err);
	if (r < 0)
		return r;
	all = json_object();
	jsonx_set(all, s->id, result);
	worker_job_set_result(j, "mounts", all);
	return 0;
}

/* Of all mounts only the ramdisks have no status of their own: who orders one is told. */
static int judge_ramdisks(const struct job *j, const char *id, struct err *err)
{
	static const char *const keys[] = { "ramdisk", "ramdisk-project" };
	const json_t *mounts = json_object_get(json_object_get(j->result, "mounts"), id);

	for (size_t i = 0; i < countof(keys); i++) {
		const json_t *v = json_object_get(mounts, keys[i]);

		if (v && !json_is_true(json_object_get(v, "mounted")))
			return err_set(err, -EIO, ERR_INTERNAL, "ramdisk",
				"the ramdisk is not mounted: %s",
				json_string_value(json_object_get(v, "message")));
	}
	return 0;
}

static int change(struct job *j, bool judge, struct err *err)
{
	struct ctspec wanted;
	int r = ctspec_from_json(json_object_get(j->params, "spec"), &wanted, err);

	if (r < 0)
		return r;
	j->life.spec = wanted;
	r = worker_mounts_own(j, err);
	if (r >= 0 && judge)
		r = judge_ramdisks(j, wanted.id, err);
	return r < 0 || wanted.ramdisk ? r : ramdisk_remove(j->run, wanted.id, NULL, err);
}

int worker_mounts_change(struct job *j, struct err *err)
{
	return change(j, true, err);
}

/* As far as the container lets us. */
int worker_mounts_change_back(struct job *j, struct err *err)
{
	return change(j, false, err);
}

int worker_mounts_remove(struct job *j, struct err *err)
{
	return ramdisk_remove(j->run, j->life.spec.id,
		json_string_value(json_object_get(j->params, "ramdisk_project")), err);
}

int worker_mounts_measure(struct job *j, struct err *err)
{
	const struct ctspec *s = &j->life.spec;
	struct ramdisk_usage u;

	ramdisk_renew(j->run);
	ramdisk_measure(j->run, s->id, project_of(s), &u);
	worker_job_set_result(j, "private", u.private < 0 ? json_null() : json_integer(u.private));
	worker_job_set_result(j, "secrets", u.secrets < 0 ? json_null() : json_integer(u.secrets));
	worker_job_set_result(j, "project", u.project < 0 ? json_null() : json_integer(u.project));
	return 0;
}
