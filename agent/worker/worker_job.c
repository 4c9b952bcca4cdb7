/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/worker/worker_act.h"

void worker_job_set_result(struct job *j, const char *key, json_t *value_steals)
{
	if (!j->result)
		j->result = json_object();
	if (json_object_set_new(j->result, key, value_steals) < 0)
		abort();
}
