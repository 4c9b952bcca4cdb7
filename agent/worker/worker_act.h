/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's jobs: what each does stands in agent/worker/worker_job.h. */
#pragma once

#include <jansson.h>

#include "lxc/ctlife.h"

struct job {
	struct ctlife life;
	char *lxc, *pool, *run, *rootfs, *driver, *prefix, *mounts, *groups;
	const json_t *whole;                 /* the job as it came, borrowed */
	const json_t *params, *link, *files; /* of it; NULL: it has none */
	json_t *result;
	int pidfd;
	int fd;       /* that came with the job, or -1 */
	pid_t linker; /* see worker_net_hook(); 0: none */
	int linked;   /* what it says */
	int mount;    /* of its root, while that is looked at; kept until the job is answered */
	int turn;     /* agent/worker/worker_turn.h; closed last of all */
};

/* One more member of the job's result. */
void worker_job_set_result(struct job *j, const char *key, json_t *value_steals);

typedef int (*worker_act)(struct job *j, struct err *err);

/* worker_life.c */
int worker_life_launch(struct job *j, struct err *err);
int worker_life_kill(struct job *j, struct err *err);
int worker_life_ended(struct job *j, struct err *err);
int worker_life_freeze(struct job *j, struct err *err);
int worker_life_thaw(struct job *j, struct err *err);
int worker_life_groups(struct job *j, struct err *err);
int worker_life_session(struct job *j, struct err *err);
int worker_net_sweep(struct job *j, struct err *err);

/* worker_ahead.c: what can be done for a launch before it is ordered. Of @l what its namespaces
 * take is read; it needs no groups yet. */
void worker_ahead_go(const struct ctlife *l);
/* And the pause in which the first move between groups would wait. @g NULL: not known. */
void worker_ahead_pause(const struct ctgroup *g);
/* What was made for such a one is the launch's. Nothing, or nothing that fits: it makes its own. */
void worker_ahead_take(struct ctlife *l);

/* worker_net.c: has a launch make its link, which a child does beside the rest of it; and what has
 * to be there before a container with a link runs. */
void worker_net_hook(struct job *j);
int worker_net_prepare(struct job *j, struct err *err);
/* What its @root has to say of the network. @hostname NULL: its own; @fresh: whatever stands
 * there. */
int worker_net_write_files(
	struct job *j, int root, const char *hostname, bool fresh, struct err *err);

/* worker_files.c: what of the platform stands in files of its root; and that with what they say of
 * the network. */
int worker_files_write(struct job *j, struct err *err);
int worker_files_write_all(struct job *j, bool fresh, struct err *err);

/* worker_mounts.c */
bool worker_mounts_need_hook(const struct job *j);
int worker_mounts_prepare(struct job *j, struct err *err);
int worker_mounts_own(struct job *j, struct err *err);
int worker_mounts_change(struct job *j, struct err *err);
int worker_mounts_change_back(struct job *j, struct err *err);
int worker_mounts_set(struct job *j, struct err *err);
int worker_mounts_remove(struct job *j, struct err *err);
int worker_mounts_measure(struct job *j, struct err *err);

/* worker_limits.c */
int worker_limits_set(struct job *j, struct err *err);
int worker_limits_reset(struct job *j, struct err *err);

/* worker_host.c */
int worker_host_shutdown_all(struct job *j, struct err *err);
int worker_host_remove_all(struct job *j, struct err *err);
int worker_host_load_kernel(struct job *j, struct err *err);
int worker_host_unload_kernel(struct job *j, struct err *err);
int worker_host_reboot(struct job *j, struct err *err);

/* worker_image.c */
int worker_image_resolve(struct job *j, struct err *err);
int worker_image_fetch(struct job *j, struct err *err);
int worker_image_drop(struct job *j, struct err *err);
int worker_image_unpack(struct job *j, struct err *err);
int worker_image_forget(struct job *j, struct err *err);
int worker_image_verify(struct job *j, struct err *err);
int worker_image_remove(struct job *j, struct err *err);

/* worker_tree.c */
struct pool;
int worker_tree_open_pool(const struct job *j, struct pool *ret, struct err *err);
int worker_tree_create(struct job *j, struct err *err);
int worker_tree_copy(struct job *j, struct err *err);
int worker_tree_remove(struct job *j, struct err *err);
int worker_tree_measure(struct job *j, struct err *err);
int worker_tree_renew(struct job *j, struct err *err);
int worker_tree_snapshot(struct job *j, struct err *err);
int worker_tree_snapshot_remove(struct job *j, struct err *err);
int worker_tree_restore(struct job *j, struct err *err);
int worker_tree_sync_build(struct job *j, struct err *err);
int worker_tree_sync(struct job *j, struct err *err);
int worker_tree_revert(struct job *j, struct err *err);
int worker_tree_settle(struct job *j, struct err *err);
