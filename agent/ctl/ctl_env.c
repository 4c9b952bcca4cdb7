/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl env list: KEY=VALUE a line each, and behind a # whether the container has them. */
#include <inttypes.h>

#include "agent/ctl/ctl_env.h"
#include "agent/ctl/ctl_value.h"
#include "proto/jsonx.h"

char *ctl_env_sync(const struct ctl *ctl, const json_t *v)
{
	_cleanup_(freep) char *when =
		ctl_value_text(ctl, CTL_AGO, json_object_get(v, "verified_at"));
	const char *problem = ctl_text_of(v, "last_error");
	const int64_t is = json_integer_value(json_object_get(v, "applied_revision")),
		      want = json_integer_value(json_object_get(v, "revision"));

	if (want == 0)
		return xstrdup("nothing was ever set");
	if (!json_is_true(json_object_get(v, "pending")))
		return xasprintf(
			"the container has them%s%s", when ? ", seen " : "", when ? when : "");
	return xasprintf("the container has revision %" PRId64 " of %" PRId64 "%s%s%s", is, want,
		problem ? ": " : "", problem ? problem : "",
		json_is_true(json_object_get(v, "exhausted")) ? "; it is not tried any more"
							      : "; it is tried again");
}

enum ctl_exit ctl_env_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err)
{
	_cleanup_(freep) char *sync = ctl_env_sync(ctl, json_object_get(data, "env_sync"));
	const char *key;
	json_t *v;

	(void)path;
	(void)err;
	json_object_foreach(json_object_get(data, "environment_vars"), key, v) {
		_cleanup_(freep) char *text =
			xasprintf("%s=%s", key, json_is_string(v) ? json_string_value(v) : "");

		err_clean(text);
		puts(text);
	}
	err_clean(sync);
	printf("# %s\n", sync);
	return CTL_OK;
}
