/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/worker/worker_act.h"

#include "proto/jsonx.h"

void worker_job_set_result(struct job *j, const char *key, json_t *value_steals)
{
	if (!j->result)
		j->result = json_object();
	jsonx_set(j->result, key, value_steals);
}
