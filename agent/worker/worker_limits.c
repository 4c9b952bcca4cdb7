/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job on limits: of a container that runs, the kernel's; of its root, the file system's. */
#include "agent/worker/worker_act.h"
#include "lxc/ctlimits.h"
#include "lxc/ctprobe.h"
#include "netns/rtlink.h"
#include "storage/pool.h"

static int apply(struct job *j, const struct ctspec *s, struct err *err)
{
	_cleanup_pool_ struct pool pool = { .fd = -1, .containers = -1, .images = -1 };
	struct ctspec_limits bounds = ctlife_limits(&j->life, &(struct ctspec_limits){});
	const char *link = json_string_value(json_object_get(j->link, "name"));
	int r = worker_tree_open_pool(j, &pool, err);

	if (r < 0)
		return r;
	pool.quota.bytes = s->limits.disk_bytes;
	r = pool_limit_root(&pool, s->id, err);
	if (r >= 0)
		r = ctprobe_find(j->life.groups, s->id, NULL, NULL, err);
	if (r < CTPROBE_RUNNING)
		return MIN_OF(r, 0);
	r = ctlimits_apply(j->life.groups, s, &bounds, ctlimits_disk(j->pool), err);
	return r < 0 || !link ? r : rtlink_set_limit(link, (uint64_t)s->limits.net_bps, err);
}

/* The job's container is as it was; params.spec is as it is to be. */
int worker_limits_set(struct job *j, struct err *err)
{
	struct ctspec wanted;
	int r = ctspec_from_json(json_object_get(j->params, "spec"), &wanted, err);

	return r < 0 ? r : apply(j, &wanted, err);
}

int worker_limits_reset(struct job *j, struct err *err)
{
	return apply(j, &j->life.spec, err);
}
