/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/spawn.h"
#include "agent/worker/worker_act.h"
#include "agent/worker/worker_session.h"
#include "lxc/ctenter.h"
#include "lxc/ctlimits.h"
#include "proto/jsonx.h"

/* Its words come from the agent alone, and none of them needs quoting. */
static void prepare_groups(struct job *j)
{
	_cleanup_(freep) char *program = spawn_find("hoody-groups");

	free(j->groups);
	j->groups = xasprintf("%s %s %s", program, j->prefix, j->life.spec.id);
	j->life.paths.groups = j->groups;
}

/* While its link is made. */
static int make_ready(void *userdata, struct err *err)
{
	struct job *j = userdata;
	int r = worker_net_prepare(j, err);

	if (r >= 0)
		r = worker_files_write_all(j, false, err);
	return r < 0 ? r : worker_mounts_prepare(j, err);
}

int worker_life_launch(struct job *j, struct err *err)
{
	pid_t pid;
	int r;

	worker_ahead_take(&j->life);
	prepare_groups(j);
	worker_net_hook(j);
	j->life.make_ready = make_ready;
	j->life.userdata = j;
	r = ctlife_launch(&j->life, &pid, &j->pidfd, err);
	if (r >= 0)
		r = ctlimits_bound_monitor(j->life.groups, j->life.spec.id, err);
	if (r >= 0 && (j->life.spec.limits.io_read_bps || j->life.spec.limits.io_write_bps))
		r = ctlimits_apply_io(j->life.groups, &j->life.spec, ctlimits_disk(j->pool), err);
	/* Also of one that runs already: nobody may have heard what came of them. */
	if (r >= 0 && worker_mounts_need_hook(j))
		r = worker_mounts_own(j, err);
	if (r >= 0)
		worker_job_set_result(j, "pid", json_integer(pid));
	return r;
}

int worker_life_kill(struct job *j, struct err *err)
{
	return ctlife_kill(&j->life, err);
}

int worker_life_ended(struct job *j, struct err *err)
{
	return ctlife_ended(&j->life, err);
}

int worker_life_freeze(struct job *j, struct err *err)
{
	return ctlife_freeze(&j->life, err);
}

int worker_life_thaw(struct job *j, struct err *err)
{
	return ctlife_thaw(&j->life, err);
}

int worker_life_groups(struct job *j, struct err *err)
{
	return ctlife_look_after(&j->life, json_is_true(json_object_get(j->params, "over")), err);
}

int worker_life_session(struct job *j, struct err *err)
{
	_cleanup_(freep) char *text = jsonx_dump(j->whole);
	int r = ctenter_exec(WORKER_SESSION, text, j->fd);

	r = err_set(err, r, ERR_INTERNAL, NULL, "the session's process can't be made: %s",
		strerror(-r));
	worker_session_refuse(j->fd, err);
	return r;
}
